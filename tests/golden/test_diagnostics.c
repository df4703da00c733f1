/* Golden tests of diagnostics (golden.h): a text in, what the compiler says out.
 *
 * A file is named after the diagnostic that it provokes: ID.dnn or ID.mesh.
 * Lines "--set name=value" may come before the text. */
#include "frontend/frontend.h"
#include "tests/golden/golden.h"

#include <stdio.h>
#include <string.h>

enum { SETTINGS_MAX = 8 };

/* Whether the output names the diagnostic that the file is named after. */
static bool names_itself(Str name, Str printed, Arena *arena)
{
    Str id =
        str_format(arena, "[%.*s]", (int)strcspn(name.data, "."), name.data);
    return strstr(printed.data, id.data) != NULL;
}

static Str answer(Str name, Str input, Arena *arena, Arena scratch)
{
    (void)scratch;
    Setting settings[SETTINGS_MAX];
    int64_t n_settings = 0;
    while (str_starts_with(input, STR("--set ")) && n_settings < SETTINGS_MAX) {
        Str line = golden_line(&input);
        settings[n_settings++].text = (Str){line.data + 6, line.length - 6};
    }
    Diagnostics d = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&d, name, input);
    Model model;
    Mesh mesh;
    bool ok =
        strstr(name.data, ".mesh")
            ? frontend_mesh(arena, source, &d, &mesh)
            : frontend_model(arena, source, settings, n_settings, &d, &model);
    Str printed = ok ? STR("accepted\n") : diagnostics_print(&d, arena);
    if (names_itself(name, printed, arena))
        return printed;
    printf("%s does not provoke its diagnostic:\n%s", name.data, printed.data);
    return (Str){0};
}

int main(int argc, char **argv)
{
    return golden_main(argc, argv, answer);
}
