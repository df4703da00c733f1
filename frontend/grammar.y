/* Grammar: models, cluster files and settings.
 *
 * One grammar with three start symbols, chosen by a pseudo token.  Line ends
 * are tokens (arrange.c keeps those that separate statements), so a mistake is
 * recovered from at the end of its line.  docs/language.md shows the grammar.
 */
%code requires {
#include "frontend/parse.h"
}

%code {
#include "frontend/syntax_error.h"

#include <stddef.h>

static int model_yylex(MODEL_YYSTYPE *value, Span *location, Parser *parser);
static void model_yyerror(const Span *location, Parser *parser,
                          const char *message);

/* The parser's stack; what is nested deeper is diagnosed. */
#define YYMAXDEPTH 2000

#define YYLLOC_DEFAULT(current, rhs, n)                                       \
    ((current) = (n) ? span_join(YYRHSLOC(rhs, 1), YYRHSLOC(rhs, n))          \
                     : (Span){YYRHSLOC(rhs, 0).source, YYRHSLOC(rhs, 0).end,  \
                              YYRHSLOC(rhs, 0).end})
#define APPEND(list, item) (*vector_push(parser->arena, &(list)) = (item))
#define WORD(span) build_word(parser, (span))
#define BROKEN(span) build_stmt(parser, STMT_ERROR, (span), (Name){0})
#define BINARY(op, at, a, b) build_binary(parser, OPERATOR_##op, at, a, b)
}

%define api.prefix {model_yy}
%define api.pure full
%define api.token.prefix {TOKEN_}
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%locations
%param {Parser *parser}
%expect 0

%union {
    Expr *expr;
    Stmt *stmt;
    TypeRef *type;
    Name name;
    ExprList exprs;
    NameList names;
    StmtList stmts;
    Argument argument;
    ArgumentList arguments;
    Subscript subscript;
    SubscriptList subscripts;
    Parameter parameter;
    ParameterList parameters;
    Quantity quantity;
}

%token START_MODEL START_CLUSTER START_SETTING COMMENT
%token END 0 "end of file"
%token NEWLINE "end of line"
/* reserved words: MODEL to FALSE (syntax_error.c) */
%token MODEL "model" FN "fn" MODULE "module" INPUT "input" PARAM "param"
%token STATE "state" UPDATE "update" LOSS "loss" METRIC "metric"
%token OUTPUT "output" TRAIN "train" OPTIMIZER "optimizer" GROUP "group"
%token RETURN "return" FOR "for" IN "in" IF "if" THEN "then" ELSE "else"
%token AND "and" OR "or" NOT "not" ON "on" SHIFTED "shifted"
%token TRUE "true" FALSE "false"
%token NAME "a name" INT "a whole number" FLOAT "a number" STRING "a string"
%token ELLIPSIS "..." RANGE ".." ARROW "->" POW "**" INT_DIV "//"
%token EQ "==" NE "!=" LE "<=" GE ">="

%precedence ELSE
%left OR
%left AND
%precedence NOT
%nonassoc EQ NE LE GE '<' '>'
%left '+' '-'
%left '*' '/' '%' '@' INT_DIV
%precedence UNARY
%right POW

%type <expr> expr postfix primary dimension
%type <exprs> expr_list dimension_list dimensions
%type <type> type result
%type <name> word
%type <names> names
%type <argument> argument
%type <arguments> arguments argument_list
%type <subscript> subscript
%type <subscripts> subscript_list
%type <parameter> parameter
%type <parameters> parameters parameter_list
%type <stmt> statement simple compound branch train_entry cluster_entry
%type <stmts> lines block train_lines train_block cluster_lines cluster_block
%type <quantity> quantity
%type <name> unit

%%

start
    : START_MODEL lines             { parser->statements = $2; }
    | START_CLUSTER cluster_lines   { parser->statements = $2; }
    | START_SETTING word '=' expr NEWLINE
        { parser->setting_name = $2; parser->expression = $4; }
    ;

/* -- statements ---------------------------------------------------------- */
lines
    : %empty                    { $$ = (StmtList){0}; }
    | lines NEWLINE
    | lines simple NEWLINE      { $$ = $1; APPEND($$, $2); }
    | lines compound            { $$ = $1; APPEND($$, $2); }
    | lines error NEWLINE       { $$ = $1; yyerrok; }
    ;

block
    : '{' lines '}'             { $$ = $2; }
    | '{' lines simple '}'      { $$ = $2; APPEND($$, $3); }
    | '{' lines error '}'       { $$ = $2; yyerrok; }
    ;

simple: statement ;

statement
    : MODEL word parameters
        { $$ = build_stmt(parser, STMT_MODEL, @$, $2);
          $$->as.function.parameters = $3; }
    | INPUT word ':' type
        { $$ = build_stmt(parser, STMT_INPUT, @$, $2);
          $$->as.declaration.type = $4; }
    | INPUT word ':' type '=' word SHIFTED expr
        { $$ = build_stmt(parser, STMT_INPUT, @$, $2);
          $$->as.declaration.type = $4;
          $$->as.declaration.source = $6;
          $$->as.declaration.amount = $8; }
    | PARAM word ':' type '=' expr
        { $$ = build_stmt(parser, STMT_PARAM, @$, $2);
          $$->as.declaration.type = $4;
          $$->as.declaration.value = $6; }
    | STATE word ':' type '=' expr
        { $$ = build_stmt(parser, STMT_STATE, @$, $2);
          $$->as.declaration.type = $4;
          $$->as.declaration.value = $6; }
    | names '=' expr
        { $$ = build_stmt(parser, STMT_BIND, @$, $1.data[0]);
          $$->as.bind.names = $1;
          $$->as.bind.value = $3; }
    | UPDATE word '=' expr
        { $$ = build_stmt(parser, STMT_UPDATE, @$, $2);
          $$->as.bind.value = $4; }
    | LOSS '=' expr
        { $$ = build_stmt(parser, STMT_LOSS, @$, WORD(@1));
          $$->as.bind.value = $3; }
    | METRIC word '=' expr
        { $$ = build_stmt(parser, STMT_METRIC, @$, $2);
          $$->as.bind.value = $4; }
    | OUTPUT word
        { $$ = build_stmt(parser, STMT_OUTPUT, @$, $2); }
    | OUTPUT word '=' expr
        { $$ = build_stmt(parser, STMT_OUTPUT, @$, $2);
          $$->as.bind.value = $4; }
    | RETURN expr
        { $$ = build_stmt(parser, STMT_RETURN, @$, (Name){0});
          $$->as.bind.value = $2; }
    | expr
        { $$ = build_stmt(parser, STMT_EXPR, @$, (Name){0});
          $$->as.bind.value = $1; }
    ;

compound
    : FN word parameters result block
        { $$ = build_stmt(parser, STMT_FUNCTION, span_join(@1, @4), $2);
          $$->as.function.parameters = $3;
          $$->as.function.result = $4;
          $$->as.function.body = $5; }
    | MODULE word parameters block
        { $$ = build_stmt(parser, STMT_MODULE, span_join(@1, @3), $2);
          $$->as.function.parameters = $3;
          $$->as.function.body = $4; }
    | FOR word IN expr RANGE expr block
        { $$ = build_stmt(parser, STMT_FOR, span_join(@1, @6), $2);
          $$->as.loop.first = $4;
          $$->as.loop.limit = $6;
          $$->as.loop.body = $7; }
    | FOR word IN expr block
        { $$ = build_stmt(parser, STMT_FOR, span_join(@1, @4), $2);
          $$->as.loop.first = $4;
          $$->as.loop.body = $5; }
    | branch
    | TRAIN train_block
        { $$ = build_stmt(parser, STMT_TRAIN, @1, WORD(@1));
          $$->as.block.body = $2; }
    | FN error block        { $$ = BROKEN(@$); yyerrok; }
    | MODULE error block    { $$ = BROKEN(@$); yyerrok; }
    | FOR error block       { $$ = BROKEN(@$); yyerrok; }
    | IF error block        { $$ = BROKEN(@$); yyerrok; }
    | TRAIN error train_block   { $$ = BROKEN(@$); yyerrok; }
    ;

branch
    : IF expr block
        { $$ = build_stmt(parser, STMT_IF, span_join(@1, @2), (Name){0});
          $$->as.branch.condition = $2;
          $$->as.branch.then = $3; }
    | IF expr block ELSE block
        { $$ = build_stmt(parser, STMT_IF, span_join(@1, @2), (Name){0});
          $$->as.branch.condition = $2;
          $$->as.branch.then = $3;
          $$->as.branch.otherwise = $5; }
    | IF expr block ELSE branch
        { $$ = build_stmt(parser, STMT_IF, span_join(@1, @2), (Name){0});
          $$->as.branch.condition = $2;
          $$->as.branch.then = $3;
          APPEND($$->as.branch.otherwise, $5); }
    ;

names
    : word              { $$ = (NameList){0}; APPEND($$, $1); }
    | names ',' word    { $$ = $1; APPEND($$, $3); }
    ;

word: NAME { $$ = WORD(@1); } ;

/* -- types and parameters ------------------------------------------------ */
parameters
    : '(' ')'                       { $$ = (ParameterList){0}; }
    | '(' parameter_list ')'        { $$ = $2; }
    | '(' parameter_list ',' ')'    { $$ = $2; }
    | '(' error ')'                 { $$ = (ParameterList){0}; yyerrok; }
    ;

parameter_list
    : parameter         { $$ = (ParameterList){0}; APPEND($$, $1); }
    | parameter_list ',' parameter  { $$ = $1; APPEND($$, $3); }
    ;

parameter
    : word              { $$ = (Parameter){.name = $1, .span = @$}; }
    | word '=' expr
        { $$ = (Parameter){.name = $1, .standard = $3, .span = @$}; }
    | word ':' type
        { $$ = (Parameter){.name = $1, .type = $3, .span = @$}; }
    ;

result
    : %empty            { $$ = NULL; }
    | ARROW type        { $$ = $2; }
    ;

type
    : word              { $$ = build_type(parser, $1, (ExprList){0}, @$); }
    | dimensions
        { $$ = build_type(parser, (Name){.span = @$}, $1, @$); }
    | word dimensions   { $$ = build_type(parser, $1, $2, @$); }
    ;

dimensions
    : '[' ']'                   { $$ = (ExprList){0}; }
    | '[' dimension_list ']'    { $$ = $2; }
    ;

dimension_list
    : dimension         { $$ = (ExprList){0}; APPEND($$, $1); }
    | dimension_list ',' dimension  { $$ = $1; APPEND($$, $3); }
    ;

dimension
    : expr
    | ELLIPSIS          { $$ = build_expr(parser, EXPR_ELLIPSIS, @1); }
    ;

/* -- expressions --------------------------------------------------------- */
expr
    : postfix
    | expr OR expr          { $$ = BINARY(OR, @2, $1, $3); }
    | expr AND expr         { $$ = BINARY(AND, @2, $1, $3); }
    | NOT expr              { $$ = build_unary(parser, OPERATOR_NOT, @1, $2); }
    | expr EQ expr          { $$ = BINARY(EQ, @2, $1, $3); }
    | expr NE expr          { $$ = BINARY(NE, @2, $1, $3); }
    | expr '<' expr         { $$ = BINARY(LT, @2, $1, $3); }
    | expr LE expr          { $$ = BINARY(LE, @2, $1, $3); }
    | expr '>' expr         { $$ = BINARY(GT, @2, $1, $3); }
    | expr GE expr          { $$ = BINARY(GE, @2, $1, $3); }
    | expr '+' expr         { $$ = BINARY(ADD, @2, $1, $3); }
    | expr '-' expr         { $$ = BINARY(SUB, @2, $1, $3); }
    | expr '*' expr         { $$ = BINARY(MUL, @2, $1, $3); }
    | expr '/' expr         { $$ = BINARY(DIV, @2, $1, $3); }
    | expr '%' expr         { $$ = BINARY(REM, @2, $1, $3); }
    | expr '@' expr         { $$ = BINARY(MATMUL, @2, $1, $3); }
    | expr INT_DIV expr     { $$ = BINARY(INT_DIV, @2, $1, $3); }
    | '-' expr %prec UNARY  { $$ = build_unary(parser, OPERATOR_SUB, @1, $2); }
    | expr POW expr         { $$ = BINARY(POW, @2, $1, $3); }
    | IF expr THEN expr ELSE expr
        { $$ = build_choice(parser, @$, $2, $4, $6); }
    ;

postfix
    : primary
    | postfix '(' arguments ')' { $$ = build_call(parser, $1, $3, @4); }
    | postfix '[' subscript_list ']'
        { $$ = build_index(parser, $1, $3, @4); }
    | postfix '.' word          { $$ = build_member(parser, $1, $3); }
    ;

primary
    : NAME              { $$ = build_name(parser, @1); }
    | INT               { $$ = build_number(parser, @1, true); }
    | FLOAT             { $$ = build_number(parser, @1, false); }
    | STRING            { $$ = build_string(parser, @1); }
    | TRUE
        { $$ = build_expr(parser, EXPR_BOOL, @1); $$->as.boolean = true; }
    | FALSE             { $$ = build_expr(parser, EXPR_BOOL, @1); }
    | '(' ')'           { $$ = build_tuple(parser, @$, (ExprList){0}); }
    | '(' expr ')'      { $$ = $2; $$->span = @$; }
    | '(' expr ',' ')'
        { ExprList one = {0}; APPEND(one, $2);
          $$ = build_tuple(parser, @$, one); }
    | '(' expr ',' expr_list comma ')'
        { ExprList all = {0}; APPEND(all, $2);
          for (int64_t i = 0; i < $4.count; i++)
              APPEND(all, $4.data[i]);
          $$ = build_tuple(parser, @$, all); }
    | '(' error ')'     { $$ = build_expr(parser, EXPR_ERROR, @$); yyerrok; }
    ;

comma: %empty | ',' ;

expr_list
    : expr                  { $$ = (ExprList){0}; APPEND($$, $1); }
    | expr_list ',' expr    { $$ = $1; APPEND($$, $3); }
    ;

arguments
    : %empty                { $$ = (ArgumentList){0}; }
    | argument_list
    | argument_list ','
    ;

argument_list
    : argument              { $$ = (ArgumentList){0}; APPEND($$, $1); }
    | argument_list ',' argument    { $$ = $1; APPEND($$, $3); }
    ;

argument
    : expr              { $$ = (Argument){.value = $1, .span = @$}; }
    | NAME '=' expr
        { $$ = (Argument){.name = WORD(@1), .value = $3, .span = @$}; }
    | NAME '=' expr ON expr
        { $$ = (Argument){.name = WORD(@1), .value = $3, .on = $5,
                          .span = @$}; }
    ;

subscript_list
    : subscript             { $$ = (SubscriptList){0}; APPEND($$, $1); }
    | subscript_list ',' subscript  { $$ = $1; APPEND($$, $3); }
    ;

subscript
    : expr              { $$ = (Subscript){.low = $1, .span = @$}; }
    | ':'               { $$ = (Subscript){.is_range = true, .span = @$}; }
    | expr ':'
        { $$ = (Subscript){.is_range = true, .low = $1, .span = @$}; }
    | ':' expr
        { $$ = (Subscript){.is_range = true, .high = $2, .span = @$}; }
    | expr ':' expr
        { $$ = (Subscript){.is_range = true, .low = $1, .high = $3,
                           .span = @$}; }
    ;

/* -- the train block ----------------------------------------------------- */
train_block
    : '{' train_lines '}'               { $$ = $2; }
    | '{' train_lines train_entry '}'   { $$ = $2; APPEND($$, $3); }
    | '{' train_lines error '}'         { $$ = $2; yyerrok; }
    ;

train_lines
    : %empty                            { $$ = (StmtList){0}; }
    | train_lines NEWLINE
    | train_lines train_entry NEWLINE   { $$ = $1; APPEND($$, $2); }
    | train_lines error NEWLINE         { $$ = $1; yyerrok; }
    ;

train_entry
    : OPTIMIZER word '(' arguments ')'
        { $$ = build_stmt(parser, STMT_OPTIMIZER, @$, $2);
          $$->as.optimizer.arguments = $4; }
    | GROUP word '=' expr train_block
        { $$ = build_stmt(parser, STMT_GROUP, @$, $2);
          $$->as.group.selector = $4;
          $$->as.group.body = $5; }
    | word '=' expr
        { $$ = build_stmt(parser, STMT_BIND, @$, $1);
          $$->as.bind.value = $3; }
    ;

/* -- cluster files ------------------------------------------------------- */
cluster_block
    : '{' cluster_lines '}'                 { $$ = $2; }
    | '{' cluster_lines cluster_entry '}'   { $$ = $2; APPEND($$, $3); }
    | '{' cluster_lines error '}'           { $$ = $2; yyerrok; }
    ;

cluster_lines
    : %empty                                { $$ = (StmtList){0}; }
    | cluster_lines NEWLINE
    | cluster_lines cluster_entry NEWLINE   { $$ = $1; APPEND($$, $2); }
    | cluster_lines error NEWLINE           { $$ = $1; yyerrok; }
    ;

cluster_entry
    : word '=' quantity
        { $$ = build_stmt(parser, STMT_QUANTITY, @$, $1);
          $$->as.quantity = $3; }
    | word word
        { $$ = build_stmt(parser, STMT_SECTION, @$, $2);
          $$->as.block.word = $1; }
    | word cluster_block
        { $$ = build_stmt(parser, STMT_SECTION, @1, (Name){.span = @1});
          $$->as.block.word = $1;
          $$->as.block.body = $2; }
    | word word cluster_block
        { $$ = build_stmt(parser, STMT_SECTION, span_join(@1, @2), $2);
          $$->as.block.word = $1;
          $$->as.block.body = $3; }
    ;

quantity
    : INT unit          { $$ = build_quantity(parser, @1, false, $2); }
    | FLOAT unit        { $$ = build_quantity(parser, @1, false, $2); }
    | '-' INT unit      { $$ = build_quantity(parser, @2, true, $3); }
    | '-' FLOAT unit    { $$ = build_quantity(parser, @2, true, $3); }
    | word              { $$ = (Quantity){.word = $1, .span = @$}; }
    | STRING
        { Expr *text = build_string(parser, @1);
          $$ = (Quantity){.word = {text->as.text, @1}, .is_string = true,
                          .span = @$}; }
    ;

unit
    : %empty            { $$ = (Name){0}; }
    | word
    | word '/' word     { $$ = WORD(@$); }
    ;

%%

static int model_yylex(MODEL_YYSTYPE *value, Span *location, Parser *parser)
{
    (void)value;
    const Token *token = &parser->tokens->data[parser->next];
    *location = token->span;
    if (parser->start) {
        int start = parser->start;
        parser->start = 0;
        location->end = location->begin;
        return start;
    }
    if (token->kind != TOKEN_END)
        parser->next++;
    return token->kind;
}

static void model_yyerror(const Span *location, Parser *parser,
                          const char *message)
{
    diagnose(parser->diagnostics, *location, parser_gave_up, message);
}

/* Sorts what could have come into words (syntax_error.c). */
static int yyreport_syntax_error(const yypcontext_t *context, Parser *parser)
{
    enum { EXPECTED_MAX = 64 };
    yysymbol_kind_t kinds[EXPECTED_MAX];
    int n = yypcontext_expected_tokens(context, kinds, EXPECTED_MAX);
    const char *names[EXPECTED_MAX];
    for (int i = 0; i < n; i++)
        names[i] = yysymbol_name(kinds[i]);
    syntax_error(parser, names, n < 0 ? 0 : n,
                 *yypcontext_location(context));
    return 0;
}
