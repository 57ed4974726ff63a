/* Assertions on struct problems that several test files share. */
#ifndef TESTS_ENGINE_PROBLEMS_CHECK_H
#define TESTS_ENGINE_PROBLEMS_CHECK_H

#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Some problem has exactly this pointer, and this text in its message. */
static inline void assert_problem(const struct problems *problems, const char *pointer, const char *text)
{
    for (size_t i = 0; i < problems->count && i < PROBLEMS_KEPT; i++)
        if (strcmp(problems->items[i].pointer, pointer) == 0 && strstr(problems->items[i].message, text))
            return;
    for (size_t i = 0; i < problems->count && i < PROBLEMS_KEPT; i++)
        print_error("problem at \"%s\": %s\n", problems->items[i].pointer, problems->items[i].message);
    fail_msg("no problem at \"%s\" with \"%s\"", pointer, text);
}

/* Exactly one problem. */
static inline void assert_only_problem(const struct problems *problems, const char *pointer, const char *text)
{
    assert_problem(problems, pointer, text);
    assert_int_equal(problems->count, 1);
}

static inline void assert_no_problem(const struct problems *problems)
{
    if (problems->count > 0)
        fail_msg("problem at \"%s\": %s", problems->items[0].pointer, problems->items[0].message);
}

#endif
