#include "server/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "server/clock.h"

#define LINE_SIZE 1024

const char *const log_level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug", NULL};

static enum log_level highest = LOG_INFO;

void log_set_level(enum log_level level)
{
    highest = level;
}

/* Text from clients may end up in a message: no control character may forge a line or colour a terminal. */
static void replace_controls(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

static void log_line(enum log_level level, const char *format, va_list arguments)
{
    if (level > highest)
        return;
    char message[LINE_SIZE];
    vsnprintf(message, sizeof message, format, arguments);
    replace_controls(message);
    char when[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_ms(), when);
    fprintf(stderr, "%s %-7s %s\n", when, log_level_names[level], message);
}

#define DEFINE_LOG(name, level)                                                                              \
    void name(const char *format, ...)                                                                       \
    {                                                                                                        \
        va_list arguments;                                                                                   \
        va_start(arguments, format);                                                                         \
        log_line(level, format, arguments);                                                                  \
        va_end(arguments);                                                                                   \
    }

DEFINE_LOG(log_error, LOG_ERROR)
DEFINE_LOG(log_warning, LOG_WARNING)
DEFINE_LOG(log_info, LOG_INFO)
DEFINE_LOG(log_debug, LOG_DEBUG)
