/* Builtin: what the built-in functions share: reading arguments. */
#ifndef DNNC_FRONTEND_BUILTIN_H
#define DNNC_FRONTEND_BUILTIN_H

#include "frontend/lower.h"

#define BUILTIN(name, signature, function) BuiltinFunction function;
#include "frontend/builtin.def"
#undef BUILTIN

bool is_given(const Call *call, int i);
/* Each diagnoses an argument of the wrong kind and returns false. */
bool tensor_argument(Lowering *l, const Call *call, int i, NodeId *out);
bool f32_argument(Lowering *l, const Call *call, int i, NodeId *out);
bool shape_argument(Lowering *l, const Call *call, int i, Shape *out);
/* Counts a negative dimension from the end; it must be one of `rank`. */
bool dim_inside(Lowering *l, Span span, int32_t rank, int64_t *dim);
/* One whole number for both spatial dimensions, or a tuple of two. */
bool pair_argument(Lowering *l, const Call *call, int i, int64_t standard,
                   int64_t pair[2]);

#endif
