/* Golden tests of diagnostics: a text in, what the compiler says out.
 *
 *     test_diagnostics [--bless] FILE...
 *
 * A file is named after the diagnostic that it provokes: ID.dnn or ID.mesh.
 * Lines "--set name=value" may come first, then the text, then a line "----"
 * and everything that is printed.  `--bless` rewrites that part; a person
 * reads the difference. */
#include "frontend/frontend.h"
#include "support/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETTINGS_MAX = 8 };

typedef struct Case {
    Str name; /* of the file, without folder */
    Str text, expected;
    Setting settings[SETTINGS_MAX];
    int64_t n_settings;
    int64_t n_kept; /* bytes before the expected part */
} Case;

static Str line_at(Str text, int64_t begin)
{
    int64_t end = begin;
    while (end < text.length && text.data[end] != '\n')
        end++;
    return (Str){text.data + begin, end - begin};
}

static Case split(Str path, Str file)
{
    Case c = {.name = path, .n_kept = file.length};
    for (int64_t i = 0; i < path.length; i++)
        if (path.data[i] == '/')
            c.name = (Str){path.data + i + 1, path.length - i - 1};
    int64_t at = 0;
    while (str_starts_with(line_at(file, at), STR("--set ")) &&
           c.n_settings < SETTINGS_MAX) {
        Str line = line_at(file, at);
        c.settings[c.n_settings++].text = (Str){line.data + 6, line.length - 6};
        at += line.length + 1;
    }
    c.text = (Str){file.data + at, file.length - at};
    for (int64_t i = at; i < file.length;) {
        Str line = line_at(file, i);
        if (str_equal(line, STR("----"))) {
            c.text.length = i - at;
            c.n_kept = i + line.length + 1;
            c.expected = (Str){file.data + c.n_kept, file.length - c.n_kept};
            break;
        }
        i += line.length + 1;
    }
    return c;
}

static Str run(Arena *arena, const Case *c)
{
    Diagnostics d = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&d, c->name, c->text);
    Model model;
    Mesh mesh;
    bool ok = strstr(c->name.data, ".mesh")
                  ? frontend_mesh(arena, source, &d, &mesh)
                  : frontend_model(arena, source, c->settings, c->n_settings,
                                   &d, &model);
    return ok ? STR("accepted\n") : diagnostics_print(&d, arena);
}

/* Does the output name the diagnostic that the file is named after? */
static bool names_itself(Arena *arena, const Case *c, Str printed)
{
    const char *dot = strchr(c->name.data, '.');
    Str id =
        str_format(arena, "[%.*s]", (int)(dot - c->name.data), c->name.data);
    return strstr(printed.data, id.data) != NULL;
}

static bool bless(Arena *arena, const char *path, Str file, const Case *c,
                  Str printed)
{
    Text out = text_new(arena);
    text_append(&out, (Str){file.data, c->n_kept});
    if (c->expected.data == NULL)
        text_append(&out, STR("----\n"));
    text_append(&out, printed);
    Status written = file_write(path, text_str(&out), false);
    if (status_failed(&written))
        fprintf(stderr, "%s\n", written.message);
    return !status_failed(&written);
}

static bool check(Arena *arena, const char *path, bool blessing)
{
    Str file;
    Status read = file_read(arena, path, &file);
    if (status_failed(&read)) {
        fprintf(stderr, "%s\n", read.message);
        return false;
    }
    Case c = split(str_from(path), file);
    Str printed = run(arena, &c);
    if (!names_itself(arena, &c, printed)) {
        printf("%s does not provoke its diagnostic:\n%s", path, printed.data);
        return false;
    }
    if (blessing)
        return bless(arena, path, file, &c, printed);
    if (str_equal(printed, c.expected))
        return true;
    printf("%s: expected\n%.*sgot\n%s", path, STR_ARG(c.expected),
           printed.data);
    return false;
}

int main(int argc, char **argv)
{
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, (int64_t)1 << 32, NULL);
    bool blessing = argc > 1 && strcmp(argv[1], "--bless") == 0;
    int failed = 0, n = 0;
    for (int i = 1 + blessing; i < argc; i++, n++) {
        Arena own = arena;
        failed += !check(&own, argv[i], blessing);
    }
    printf("%d files, %d failed\n", n, failed);
    arena_release(&memory);
    return failed || n == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
