/* Source: a file's kind by its name, and settings as the front end takes
 * them. */
#include "driver/source.h"

static bool ends_in(Str path, Str ending)
{
    Str last = {path.data + path.length - ending.length, ending.length};
    return path.length >= ending.length && str_equal(last, ending);
}

SourceKind source_kind(Str path)
{
    return ends_in(path, STR(".mesh")) ? SOURCE_CLUSTER : SOURCE_MODEL;
}

Status source_expect(const char *path, SourceKind kind)
{
    if (kind == SOURCE_MODEL && ends_in(str_from(path), STR(".mesh")))
        return status_error(STATUS_INPUT,
                            "'%s' is a cluster; a model (.dnn) is wanted here",
                            path);
    if (kind == SOURCE_CLUSTER && ends_in(str_from(path), STR(".dnn")))
        return status_error(STATUS_INPUT,
                            "'%s' is a model; --mesh wants a cluster (.mesh)",
                            path);
    return status_ok();
}

Setting *settings_from(Arena *arena, const OptionList *settings)
{
    Setting *result = arena_new(arena, Setting, settings->count);
    for (int64_t i = 0; i < settings->count; i++)
        result[i].text = str_from(settings->data[i]);
    return result;
}
