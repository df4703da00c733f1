/* Strings in written JSON. */
#ifndef DNNC_RUNTIME_JSON_TEXT_H
#define DNNC_RUNTIME_JSON_TEXT_H

#include "support/text.h"

/* Appends `s` with quotes, backslashes and control bytes escaped. */
static inline void json_append_escaped(Text *text, Str s)
{
    for (int64_t i = 0; i < s.length; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c == '"' || c == '\\')
            text_format(text, "\\%c", c);
        else if (c < ' ')
            text_format(text, "\\u%04x", c);
        else
            text_append(text, (Str){s.data + i, 1});
    }
}

#endif
