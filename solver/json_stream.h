/* JSON stream: numbers and names out of a long JSON text, in one pass.
 *
 * The contest's files hold ten million small integers in nested arrays; a tree
 * of values would cost more than solving some of them.  The caller walks
 * the text and says what it expects.  The first error sticks: afterwards
 * every call returns false, and `status` names the byte.
 */
#ifndef DNNC_SOLVER_JSON_STREAM_H
#define DNNC_SOLVER_JSON_STREAM_H

#include "solver/iopddl.h"

#include <stdbool.h>

enum { JSON_BUFFER_BYTES = 1 << 18, JSON_NAME_BYTES = 256 };

typedef struct JsonStream {
    IopddlRead *read;
    void *context;
    char *buffer;
    int64_t next, end; /* in the buffer */
    int64_t before;    /* bytes of the text before the buffer */
    bool failed;
    Status status;
} JsonStream;

/* Names apart from those of the JSON library, which other rooms use. */
JsonStream json_stream_new(Arena *arena, IopddlRead *read, void *context);
/* Records an error at the present byte; returns false. */
bool stream_fail(JsonStream *s, const char *format, ...) PRINTF_LIKE(2, 3);
/* The next byte that is not white space, or -1 at the end. */
int stream_peek(JsonStream *s);
/* Takes this byte or fails. */
bool stream_expect(JsonStream *s, char c);
/* Steps through "[ , , ]" or "{ , , }": `first` starts true. False at the
 * closing bracket, which is taken, and on failure. */
bool stream_next(JsonStream *s, bool *first, char close);
bool stream_integer(JsonStream *s, int64_t *value);
/* A string of at most JSON_NAME_BYTES - 1 bytes; longer ones are cut. */
bool stream_string(JsonStream *s, char name[JSON_NAME_BYTES]);
/* Any value. */
bool stream_skip(JsonStream *s, int depth);

#endif
