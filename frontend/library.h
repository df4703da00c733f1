/* Library: the text of library.dnn, embedded by the build. */
#ifndef DNNC_FRONTEND_LIBRARY_H
#define DNNC_FRONTEND_LIBRARY_H

#include <stdint.h>

extern const char library_text[];
extern const int64_t library_text_length;

#endif
