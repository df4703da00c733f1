/* Source: a file's kind by its name, and settings as the front end takes
 * them. */
#include "driver/source.h"

SourceKind source_kind(Str path)
{
    Str ending = STR(".mesh");
    if (path.length < ending.length)
        return SOURCE_MODEL;
    Str last = {path.data + path.length - ending.length, ending.length};
    return str_equal(last, ending) ? SOURCE_CLUSTER : SOURCE_MODEL;
}

Setting *settings_from(Arena *arena, const OptionList *settings)
{
    Setting *result = arena_new(arena, Setting, settings->count);
    for (int64_t i = 0; i < settings->count; i++)
        result[i].text = str_from(settings->data[i]);
    return result;
}
