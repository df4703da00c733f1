/* Reading headers with suspicion, writing them plainly. */
#include "runtime/safetensors.h"

#include "runtime/json_text.h"
#include "support/checked.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LENGTH_BYTES = 8, HEADER_MAX_BYTES = 16 << 20 };

static Status malformed(const Safetensors *file, const char *what)
{
    return status_error(STATUS_INPUT,
                        "'%s' is truncated or no safetensors file: %s",
                        file->path, what);
}

/* -- reading -------------------------------------------------------------- */

/* Bytes of an element of a safetensors dtype; 0 when unknown. */
static int64_t dtype_element(const char *text, DType *out, bool *is_readable)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } others[] = {
        {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"U16", 2}, {"I16", 2}, {"F16", 2},
        {"BF16", 2}, {"U32", 4}, {"I64", 8}, {"U64", 8}, {"F64", 8},
    };
    *out = strcmp(text, "I32") == 0 ? DTYPE_I32 : DTYPE_F32;
    *is_readable = strcmp(text, "I32") == 0 || strcmp(text, "F32") == 0;
    if (*is_readable)
        return dtype_bytes(*out);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcmp(text, others[i].text) == 0)
            return others[i].bytes;
    return 0;
}

/* An extent of 0 or a rank beyond ours makes a tensor unreadable, not the
 * file. */
static bool parse_shape(const json_t *list, SafetensorsEntry *entry,
                        int64_t *elements)
{
    *elements = 1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *extent = json_array_get(list, i);
        int64_t n = json_integer_value(extent);
        if (!json_is_integer(extent) || n < 0 ||
            !mul_i64(*elements, n, elements))
            return false;
        if (n == 0 || i >= RANK_MAX)
            entry->is_readable = false;
        else
            entry->type.shape.extent[entry->type.shape.rank++] = n;
    }
    return true;
}

static Status parse_entry(Safetensors *file, SafetensorsEntry *entry,
                          const json_t *value, int64_t data_begin)
{
    const char *dtype = json_string_value(json_object_get(value, "dtype"));
    const json_t *shape = json_object_get(value, "shape");
    const json_t *offsets = json_object_get(value, "data_offsets");
    if (!dtype || !json_is_array(shape) || json_array_size(offsets) != 2 ||
        !json_is_integer(json_array_get(offsets, 0)) ||
        !json_is_integer(json_array_get(offsets, 1)))
        return malformed(file, "a tensor lacks dtype, shape or data_offsets");
    int64_t element =
        dtype_element(dtype, &entry->type.dtype, &entry->is_readable);
    if (element == 0)
        return malformed(file, "a tensor has an unknown dtype");
    int64_t elements, bytes;
    if (!parse_shape(shape, entry, &elements) ||
        !mul_i64(elements, element, &bytes))
        return malformed(file, "a tensor has an impossible shape");
    int64_t begin = json_integer_value(json_array_get(offsets, 0));
    int64_t end = json_integer_value(json_array_get(offsets, 1));
    if (begin < 0 || end < begin || end - begin != bytes ||
        end > file->file_bytes - data_begin)
        return malformed(file, "a tensor's data lies outside the file");
    entry->file_begin = data_begin + begin;
    return status_ok();
}

static Status parse_entries(Safetensors *out, Arena *arena, json_t *root,
                            int64_t data_begin)
{
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        SafetensorsEntry *entry = vector_push(arena, &out->entries);
        entry->name = str_copy(arena, str_from(name));
        TRY(parse_entry(out, entry, value, data_begin));
    }
    return status_ok();
}

Status safetensors_parse(Safetensors *out, Arena *arena, const char *header,
                         int64_t length)
{
    json_error_t error;
    json_t *root =
        json_loadb(header, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(root)) {
        json_decref(root);
        return malformed(out, "its header is not JSON");
    }
    Status status = parse_entries(out, arena, root, LENGTH_BYTES + length);
    json_decref(root);
    return status;
}

static Status read_exactly(const Safetensors *file, void *out, int64_t bytes,
                           int64_t at)
{
    char *next = out;
    while (bytes > 0) {
        ssize_t n = pread(file->descriptor, next, (size_t)bytes, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return status_error(STATUS_ENVIRONMENT, "cannot read '%s': %s",
                                file->path, strerror(errno));
        if (n == 0)
            return malformed(file, "it ends early");
        next += n;
        at += n;
        bytes -= n;
    }
    return status_ok();
}

static Status read_header(Safetensors *file, Arena *arena)
{
    struct stat about;
    if (fstat(file->descriptor, &about) != 0 || !S_ISREG(about.st_mode))
        return malformed(file, "it is not a regular file");
    file->file_bytes = about.st_size;
    unsigned char raw[LENGTH_BYTES];
    TRY(read_exactly(file, raw, LENGTH_BYTES, 0));
    uint64_t length = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--)
        length = length << 8 | raw[i];
    if (length > HEADER_MAX_BYTES ||
        (int64_t)length > file->file_bytes - LENGTH_BYTES)
        return malformed(file, "its header is longer than the file");
    char *header = arena_new(arena, char, (int64_t)length + 1);
    TRY(read_exactly(file, header, (int64_t)length, LENGTH_BYTES));
    return safetensors_parse(file, arena, header, (int64_t)length);
}

Status safetensors_open(Safetensors *out, Arena *arena, const char *path)
{
    *out = (Safetensors){.path = path,
                         .descriptor = open(path, O_RDONLY | O_CLOEXEC)};
    if (out->descriptor < 0)
        return status_error(STATUS_INPUT, "cannot read '%s': %s", path,
                            strerror(errno));
    Status status = read_header(out, arena);
    if (status_failed(&status))
        safetensors_close(out);
    return status;
}

void safetensors_close(Safetensors *file)
{
    if (file->path && file->descriptor >= 0)
        close(file->descriptor);
    *file = (Safetensors){.descriptor = -1};
}

const SafetensorsEntry *safetensors_find(const Safetensors *file, Str name)
{
    for (int64_t i = 0; i < file->entries.count; i++)
        if (str_equal(file->entries.data[i].name, name))
            return &file->entries.data[i];
    return NULL;
}

Status safetensors_read(const Safetensors *file, const SafetensorsEntry *entry,
                        int64_t at, int64_t count, void *out)
{
    int64_t element = dtype_bytes(entry->type.dtype);
    return read_exactly(file, out, count * element,
                        entry->file_begin + at * element);
}

/* -- writing -------------------------------------------------------------- */

static void write_entry(Text *text, const SafetensorsEntry *entry,
                        int64_t begin)
{
    text_append(text, STR("\""));
    json_append_escaped(text, entry->name);
    text_format(text, "\":{\"dtype\":\"%s\",\"shape\":[",
                entry->type.dtype == DTYPE_F32 ? "F32" : "I32");
    for (int32_t d = 0; d < entry->type.shape.rank; d++)
        text_format(text, "%s%lld", d ? "," : "",
                    (long long)entry->type.shape.extent[d]);
    text_format(text, "],\"data_offsets\":[%lld,%lld]}", (long long)begin,
                (long long)(begin + type_bytes(&entry->type)));
}

int64_t safetensors_layout(Arena *arena, SafetensorsEntry *entries,
                           int64_t count, Str *header)
{
    Text text = text_new(arena);
    for (int i = 0; i < LENGTH_BYTES; i++)
        text_append(&text, STR(" "));
    text_append(&text, STR("{\"__metadata__\":{\"format\":\"pt\"}"));
    int64_t data_bytes = 0;
    for (int64_t i = 0; i < count; i++) {
        text_append(&text, STR(","));
        write_entry(&text, &entries[i], data_bytes);
        entries[i].file_begin = data_bytes;
        data_bytes += type_bytes(&entries[i].type);
    }
    text_append(&text, STR("}"));
    while (text.length % 64 != 0)
        text_append(&text, STR(" "));
    uint64_t length = (uint64_t)text.length - LENGTH_BYTES;
    for (int i = 0; i < LENGTH_BYTES; i++)
        text.data[i] = (char)(length >> (8 * i));
    for (int64_t i = 0; i < count; i++)
        entries[i].file_begin += text.length;
    *header = text_str(&text);
    return text.length + data_bytes;
}
