/* Scope: which names are visible where. */
#include "frontend/lower.h"

Scope *scope_new(Lowering *l, Scope *parent, bool is_function)
{
    Scope *scope = arena_new(l->arena, Scope, 1);
    scope->parent = parent;
    scope->is_function = is_function;
    return scope;
}

static Binding *find_here(Scope *scope, Str name)
{
    int64_t *index = map_find(&scope->names, name);
    return index ? &scope->bindings.data[*index] : NULL;
}

Binding *scope_find(Scope *scope, Str name)
{
    for (; scope; scope = scope->parent) {
        Binding *found = find_here(scope, name);
        if (found)
            return found;
    }
    return NULL;
}

Binding *scope_find_local(Scope *scope, Str name)
{
    for (; scope; scope = scope->parent) {
        Binding *found = find_here(scope, name);
        if (found || scope->is_function)
            return found;
    }
    return NULL;
}

void scope_bind(Lowering *l, Scope *scope, Name name, Value value)
{
    bool inserted;
    int64_t *index = map_insert(l->arena, &scope->names, name.text,
                                scope->bindings.count, &inserted);
    int64_t at = *index;
    if (inserted)
        vector_push(l->arena, &scope->bindings);
    scope->bindings.data[at] = (Binding){value, name.span};
}
