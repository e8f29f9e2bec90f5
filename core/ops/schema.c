/* The schema parser: a small recursive descent over one line. It knows the types of the table and
 * no others. */
#define _GNU_SOURCE
#include "core/ops/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct parser {
    const char *at;
    char *why;
    size_t size;
    bool failed;
} parser;

static void fail(parser *p, const char *what)
{
    if (!p->failed)
        snprintf(p->why, p->size, "expected %s at \"%.40s\"", what, p->at);
    p->failed = true;
}

static void blanks(parser *p)
{
    while (*p->at == ' ')
        p->at++;
}

static bool take(parser *p, const char *token)
{
    blanks(p);
    size_t length = strlen(token);
    if (strncmp(p->at, token, length))
        return false;
    p->at += length;
    return true;
}

static void expect(parser *p, const char *token)
{
    if (!take(p, token))
        fail(p, token);
}

static size_t word(parser *p, char *into, size_t size)
{
    blanks(p);
    size_t n = 0;
    while (isalnum((unsigned char)p->at[n]) || p->at[n] == '_')
        n++;
    if (!n || n >= size) {
        fail(p, n ? "a shorter name" : "a name");
        into[0] = 0;
        return 0;
    }
    memcpy(into, p->at, n);
    into[n] = 0;
    p->at += n;
    return n;
}

static const struct {
    const char *name;
    cr_arg_type one, list;
} types[] = {{"Tensor", CR_ARG_TENSOR, CR_ARG_TENSORS},
             {"Scalar", CR_ARG_SCALAR, CR_ARG_SCALAR},
             {"int", CR_ARG_INT, CR_ARG_INTS},
             {"SymInt", CR_ARG_INT, CR_ARG_INTS},
             {"float", CR_ARG_FLOAT, CR_ARG_FLOATS},
             {"bool", CR_ARG_BOOL, CR_ARG_BOOLS},
             {"str", CR_ARG_STRING, CR_ARG_STRING},
             {"ScalarType", CR_ARG_DTYPE, CR_ARG_DTYPE},
             {"Device", CR_ARG_DEVICE, CR_ARG_DEVICE},
             {"Layout", CR_ARG_LAYOUT, CR_ARG_LAYOUT},
             {"MemoryFormat", CR_ARG_MEMORY_FORMAT, CR_ARG_MEMORY_FORMAT},
             {"Generator", CR_ARG_GENERATOR, CR_ARG_GENERATOR}};

/* Type, alias note, '?', list: "Tensor(a!)", "int[2]?", "Tensor?[]". alias gets the note's letter,
 * 0 without. */
static void type(parser *p, cr_arg *arg, char *alias)
{
    char name[32];
    *alias = 0;
    word(p, name, sizeof name);
    size_t i = 0;
    while (i < sizeof types / sizeof *types && strcmp(types[i].name, name))
        i++;
    if (i == sizeof types / sizeof *types) {
        fail(p, "a known type");
        return;
    }
    arg->type = (uint8_t)types[i].one;
    if (*p->at == '(' && islower((unsigned char)p->at[1])) { /* (a), (a!), (a -> *) */
        *alias = p->at[1];
        const char *end = strchr(p->at, ')');
        if (!end) {
            fail(p, "')'");
            return;
        }
        arg->written = memchr(p->at, '!', (size_t)(end - p->at)) != NULL;
        p->at = end + 1;
    }
    bool optional = false;
    if (*p->at == '?') {
        p->at++;
        optional = true;
    }
    if (*p->at == '[') {
        arg->type = (uint8_t)types[i].list;
        arg->elements_optional = optional;
        optional = false;
        p->at++;
        if (isdigit((unsigned char)*p->at))
            arg->fixed = (int16_t)strtol(p->at, (char **)(uintptr_t)&p->at, 10);
        expect(p, "]");
        if (*p->at == '(') { /* Tensor[](a!) is written so as well */
            const char *end = strchr(p->at, ')');
            if (end)
                p->at = end + 1;
        }
        if (*p->at == '?') {
            p->at++;
            optional = true;
        }
    }
    arg->optional = optional;
}

static void number(parser *p, cr_arg *arg)
{
    char *end;
    const char *at = p->at;
    double f = strtod(at, &end);
    if (end == at) {
        fail(p, "a default value");
        return;
    }
    bool whole = !memchr(at, '.', (size_t)(end - at)) && !memchr(at, 'e', (size_t)(end - at));
    if (arg->type == CR_ARG_FLOAT || (arg->type == CR_ARG_SCALAR && !whole)) {
        arg->fallback.tag = CR_FLOAT;
        arg->fallback.as.f = f;
    } else if (arg->type == CR_ARG_INTS) {
        arg->fallback.tag = CR_INT_LIST;
        arg->fallback.count = arg->fixed ? arg->fixed : 1;
        arg->fallback_ints[0] = strtoll(at, NULL, 10); /* repeated by whoever reads a fixed list */
    } else {
        arg->fallback.tag = CR_INT;
        arg->fallback.as.i = strtoll(at, NULL, 10);
    }
    p->at = end;
}

static void fallback(parser *p, cr_arg *arg)
{
    arg->has_default = true;
    blanks(p);
    if (take(p, "None"))
        return;
    if (take(p, "True") || take(p, "False")) {
        arg->fallback.tag = CR_BOOL;
        arg->fallback.as.i = p->at[-3] == 'r' || p->at[-2] == 'u'; /* tRUe */
    } else if (*p->at == '\'' || *p->at == '"') {
        char quote = *p->at++;
        size_t n = 0;
        while (p->at[n] && p->at[n] != quote)
            n++;
        if (!p->at[n] || n >= sizeof arg->fallback_text) {
            fail(p, "a short string");
            return;
        }
        memcpy(arg->fallback_text, p->at, n);
        p->at += n + 1;
        arg->fallback.tag = CR_STRING;
        arg->fallback.count = (int64_t)n;
    } else if (take(p, "[")) {
        arg->fallback.tag = CR_INT_LIST;
        while (!p->failed && !take(p, "]")) {
            if (arg->fallback.count == 2) {
                fail(p, "at most two elements");
                return;
            }
            char *end;
            arg->fallback_ints[arg->fallback.count++] = strtoll(p->at, &end, 10);
            if (end == p->at)
                fail(p, "an integer");
            p->at = end;
            take(p, ",");
        }
    } else if (arg->type == CR_ARG_DTYPE) {
        char name[16];
        word(p, name, sizeof name);
        arg->fallback.tag = CR_DTYPE;
        arg->fallback.as.i = cr_dtype_by_name(name);
        if (!arg->fallback.as.i)
            fail(p, "a dtype");
    } else {
        number(p, arg);
    }
}

bool cr_schema_parse(const char *text, cr_schema *s, char *why, size_t size)
{
    parser p = {text, why, size, false};
    char letters[CR_MAX_ARGS] = {0}, letter;
    memset(s, 0, sizeof *s);
    size_t n = 0;
    while (text[n] && text[n] != '(')
        n++;
    if (!text[n] || n >= sizeof s->name) {
        snprintf(why, size, "expected a name and '('");
        return false;
    }
    memcpy(s->name, text, n);
    s->bare = (uint8_t)strcspn(s->name, ".");
    p.at = text + n + 1;
    bool keyword = false;
    while (!p.failed && !take(&p, ")")) {
        if (take(&p, "*")) {
            keyword = true;
            expect(&p, ",");
            continue;
        }
        if (s->nargs == CR_MAX_ARGS) {
            fail(&p, "fewer arguments");
            break;
        }
        cr_arg *arg = &s->args[s->nargs];
        type(&p, arg, &letters[s->nargs]);
        word(&p, arg->name, sizeof arg->name);
        arg->keyword_only = keyword;
        if (take(&p, "="))
            fallback(&p, arg);
        s->nargs++;
        blanks(&p);
        if (*p.at != ')')
            expect(&p, ",");
    }
    expect(&p, "->");
    bool tuple = take(&p, "(");
    if (!(tuple && take(&p, ")"))) {
        do {
            if (s->nreturns == CR_MAX_RETURNS) {
                fail(&p, "fewer results");
                break;
            }
            cr_return *r = &s->returns[s->nreturns++];
            cr_arg like = {.type = 0};
            type(&p, &like, &letter);
            r->type = like.type;
            r->list = like.type == CR_ARG_TENSORS;
            r->alias = -1;
            for (int i = 0; like.written && i < s->nargs; i++)
                if (letters[i] == letter)
                    r->alias = (int8_t)i;
            blanks(&p);
            if (tuple && isalpha((unsigned char)*p.at))
                word(&p, r->name, sizeof r->name);
        } while (tuple && !p.failed && take(&p, ","));
        if (tuple)
            expect(&p, ")");
    }
    blanks(&p);
    if (*p.at)
        fail(&p, "the end");
    return !p.failed;
}

bool cr_schema_inplace_text(const char *text, char *into, size_t size)
{
    const char *open = strchr(text, '('), *dot = memchr(text, '.', (size_t)(open - text));
    const char *end = dot ? dot : open, *arrow = strstr(text, " -> ");
    const char *rest = open + sizeof "(Tensor" - 1; /* every such row begins with "(Tensor self" */
    int n = snprintf(into, size, "%.*s_%.*s(Tensor(a!)%.*s -> Tensor(a!)", (int)(end - text), text,
                     (int)(open - end), end, (int)(arrow - rest), rest);
    return n > 0 && (size_t)n < size;
}

bool cr_schema_out_text(const char *text, const char *overload, char *into, size_t size)
{
    const char *open = strchr(text, '('), *dot = memchr(text, '.', (size_t)(open - text));
    const char *end = dot ? dot : open, *arrow = strstr(text, " -> ");
    bool star = memmem(open, (size_t)(arrow - open), "*, ", 3) != NULL;
    int n = snprintf(into, size, "%.*s.%s%.*s%s, Tensor(a!) out) -> Tensor(a!)", (int)(end - text),
                     text, overload, (int)(arrow - 1 - open), open, star ? "" : ", *");
    return n > 0 && (size_t)n < size;
}

const char *cr_arg_type_name(const cr_arg *arg, char *buffer, size_t size)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        bool list = types[i].list == arg->type && types[i].list != types[i].one;
        if (types[i].one != arg->type && !list)
            continue;
        char count[8] = "";
        if (arg->fixed)
            snprintf(count, sizeof count, "%d", arg->fixed);
        snprintf(buffer, size, "%s%s%s%s%s%s", types[i].name, arg->elements_optional ? "?" : "",
                 list ? "[" : "", list ? count : "", list ? "]" : "", arg->optional ? "?" : "");
        return buffer;
    }
    return "?";
}
