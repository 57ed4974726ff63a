#include "engine/engine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void error_fill(struct error *err, enum status code, const char *format, va_list arguments)
{
    err->code = code;
    err->pointer[0] = '\0';
    vsnprintf(err->message, sizeof err->message, format, arguments);
}

enum status error_set(struct error *err, enum status code, const char *format, ...)
{
    if (err) {
        va_list arguments;
        va_start(arguments, format);
        error_fill(err, code, format, arguments);
        va_end(arguments);
    }
    return code;
}

static enum status status_of_errno(int number)
{
    switch (number) {
    case ENOENT:
        return ERR_NOT_FOUND;
    case ENOMEM:
        return ERR_MEMORY;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ERR_FULL;
    default:
        return ERR_IO;
    }
}

enum status error_set_errno(struct error *err, const char *format, ...)
{
    int number = errno;
    enum status code = status_of_errno(number);
    if (err) {
        va_list arguments;
        va_start(arguments, format);
        error_fill(err, code, format, arguments);
        va_end(arguments);
        size_t used = strlen(err->message);
        char reason[128];
        snprintf(err->message + used, sizeof err->message - used, ": %s",
                 strerror_r(number, reason, sizeof reason));
    }
    return code;
}

void problems_add(struct problems *problems, enum status code, const char *pointer, const char *format, ...)
{
    if (problems->count < PROBLEMS_KEPT) {
        struct error *item = &problems->items[problems->count];
        va_list arguments;
        va_start(arguments, format);
        error_fill(item, code, format, arguments);
        va_end(arguments);
        snprintf(item->pointer, sizeof item->pointer, "%s", pointer);
    }
    problems->count++;
}

enum status problems_first(const struct problems *problems, struct error *err)
{
    if (problems->count == 0)
        return OK;
    if (err)
        *err = problems->items[0];
    return problems->items[0].code;
}
