/* Tokens: the classes of their kinds. */
#include "frontend/token.h"

#include "grammar.tab.h"

bool token_opens(int kind)
{
    return kind == '(' || kind == '[' || kind == '{';
}

bool token_closes(int kind)
{
    return kind == ')' || kind == ']' || kind == '}';
}

bool token_is_operator(int kind)
{
    switch (kind) {
    case '+':
    case '-':
    case '*':
    case '/':
    case '%':
    case '@':
    case '<':
    case '>':
    case '=':
    case TOKEN_POW:
    case TOKEN_INT_DIV:
    case TOKEN_EQ:
    case TOKEN_NE:
    case TOKEN_LE:
    case TOKEN_GE:
    case TOKEN_AND:
    case TOKEN_OR:
    case TOKEN_NOT:
    case TOKEN_ARROW:
    case TOKEN_THEN: return true;
    default: return false;
    }
}

bool token_continues(int kind)
{
    return kind == ',' || kind == ':' || token_is_operator(kind);
}
