/* Does this processor have the instructions that the job was compiled for?
 *
 * A target is "x86-64-v2", "-v3" or "-v4", or another name with a list of
 * features in LLVM's spelling ("+avx2,-avx512f"), for code made for one
 * machine.
 */
#include "runtime/job.h"

#include <string.h>

/* A feature in LLVM's spelling and whether this processor has it. */
typedef struct Feature {
    const char *name;
    bool is_present;
} Feature;

#define FEATURE(name) {name, __builtin_cpu_supports(name) != 0}

/* "+avx2" is wanted, "-avx512f" is not; what is unknown here is believed. */
static Status check_feature(Str wanted)
{
    const Feature features[] = {
        FEATURE("avx"),        FEATURE("avx2"),       FEATURE("fma"),
        FEATURE("bmi"),        FEATURE("bmi2"),       FEATURE("sse3"),
        FEATURE("ssse3"),      FEATURE("sse4.1"),     FEATURE("sse4.2"),
        FEATURE("popcnt"),     FEATURE("avx512f"),    FEATURE("avx512bw"),
        FEATURE("avx512cd"),   FEATURE("avx512dq"),   FEATURE("avx512vl"),
        FEATURE("avx512vnni"), FEATURE("avx512bf16"), FEATURE("tbm"),
        FEATURE("xop"),        FEATURE("fma4"),
    };
    if (wanted.length < 2 || wanted.data[0] != '+')
        return status_ok();
    Str name = {wanted.data + 1, wanted.length - 1};
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
        if (str_equal_c(name, features[i].name) && !features[i].is_present)
            return status_error(STATUS_ENVIRONMENT,
                                "this processor lacks %.*s, which the job was "
                                "compiled for; compile it for a "
                                "device type with a lower target",
                                STR_ARG(name));
    return status_ok();
}

static Status check_features(const char *list)
{
    while (*list) {
        size_t length = strcspn(list, ",");
        TRY(check_feature((Str){list, (int64_t)length}));
        list += length + (list[length] == ',');
    }
    return status_ok();
}

static Status check_level(const char *target, bool is_present)
{
    if (is_present)
        return status_ok();
    return status_error(STATUS_ENVIRONMENT,
                        "this processor is no %s, which the job was compiled "
                        "for; compile it for a device type with a lower "
                        "target",
                        target);
}

Status target_check(const char *target, const char *features)
{
    __builtin_cpu_init();
    TRY(check_features(features));
    if (strcmp(target, "x86-64-v2") == 0)
        return check_level(target, __builtin_cpu_supports("sse4.2") &&
                                       __builtin_cpu_supports("popcnt"));
    bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
              __builtin_cpu_supports("bmi2");
    if (strcmp(target, "x86-64-v3") == 0)
        return check_level(target, v3);
    if (strcmp(target, "x86-64-v4") == 0)
        return check_level(target, v3 && __builtin_cpu_supports("avx512f") &&
                                       __builtin_cpu_supports("avx512bw") &&
                                       __builtin_cpu_supports("avx512cd") &&
                                       __builtin_cpu_supports("avx512dq") &&
                                       __builtin_cpu_supports("avx512vl"));
    return status_ok();
}
