#include "server/log.h"

#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/clock.h"

#define LINE_SIZE 1024

/* What a pipe takes without waiting once it is writable at all: PIPE_BUF. */
#define WRITE_MAX 4096

const char *const log_level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug", NULL};
const char *const log_format_names[] = {[LOG_TEXT] = "text", [LOG_JSON] = "json", NULL};

static enum log_level highest = LOG_INFO;
static enum log_format form = LOG_TEXT;
static atomic_uint dropped; /* lines that nobody took */
static _Thread_local const char *request_id;

void log_set_level(enum log_level level)
{
    highest = level;
}

void log_set_format(enum log_format format)
{
    form = format;
}

bool log_is_on(enum log_level level)
{
    return level <= highest;
}

void log_set_request(const char *id)
{
    request_id = id;
}

/* ---- Writing -------------------------------------------------------------------------------------- */

/* One line at once; false when stderr does not take it now. */
static bool write_line(const char *line, size_t length)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT))
        return false;
    return write(STDERR_FILENO, line, length < WRITE_MAX ? length : WRITE_MAX) >= 0;
}

static json_t *line_begin(enum log_level level)
{
    char when[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_ms(), when);
    return json_pack("{s:s, s:s}", "time", when, "level", log_level_names[level]);
}

static bool write_json_take(json_t *line)
{
    char text[WRITE_MAX];
    size_t length = json_dumpb(line, text, sizeof text - 1, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(line);
    if (length >= sizeof text || length == 0)
        return true;
    text[length++] = '\n';
    return write_line(text, length);
}

/* Text from clients may end up in a message: no control character may forge a line or colour a terminal. */
static void replace_controls(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

/* The text, as far as it is ASCII if it is not UTF-8. */
static json_t *text_to_json(const char *text)
{
    json_t *json = json_string(text);
    if (json)
        return json;
    char ascii[LINE_SIZE];
    size_t length = 0;
    for (; length < sizeof ascii && text[length]; length++)
        ascii[length] = (unsigned char)text[length] < 0x80 ? text[length] : '?';
    return json_stringn(ascii, length);
}

/* False when the line was not taken. */
static bool write_message(enum log_level level, char *message)
{
    replace_controls(message);
    if (form == LOG_JSON) {
        json_t *line = line_begin(level);
        json_object_set_new(line, "message", text_to_json(message));
        if (request_id)
            json_object_set_new(line, "request_id", json_string(request_id));
        return write_json_take(line);
    }
    char line[CLOCK_TEXT_SIZE + LINE_SIZE + 160], when[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_ms(), when);
    int length = snprintf(line, sizeof line, "%s %-7s %s%s%s\n", when, log_level_names[level], message,
                          request_id ? " id=" : "", request_id ? request_id : "");
    return write_line(line, (size_t)length);
}

/* Says what could not be said before. */
static void tell_dropped(void)
{
    char message[64];
    unsigned count = atomic_exchange(&dropped, 0);
    if (count == 0)
        return;
    snprintf(message, sizeof message, "%u lines of the log were dropped: nobody read them", count);
    if (!write_message(LOG_WARNING, message))
        atomic_fetch_add(&dropped, count);
}

static void log_line(enum log_level level, const char *format, va_list arguments)
{
    if (level > highest)
        return;
    char message[LINE_SIZE];
    vsnprintf(message, sizeof message, format, arguments);
    tell_dropped();
    if (!write_message(level, message))
        atomic_fetch_add(&dropped, 1);
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

void log_at(enum log_level level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line(level, format, arguments);
    va_end(arguments);
}

/* ---- Requests --------------------------------------------------------------------------------------- */

static void set_unless_empty(json_t *line, const char *name, const char *text)
{
    if (*text)
        json_object_set_new(line, name, text_to_json(text));
}

static bool write_request_json(enum log_level level, const struct log_request *request, const char *path)
{
    json_t *line = line_begin(level);
    json_object_set_new(line, "message", json_string("request"));
    json_object_set_new(line, "method", text_to_json(request->method));
    json_object_set_new(line, "path", text_to_json(path));
    json_object_set_new(line, "status", json_integer(request->status));
    json_object_set_new(line, "duration_ms", json_real((double)(int64_t)(request->seconds * 1e6) / 1e3));
    set_unless_empty(line, "client", request->client);
    set_unless_empty(line, "key", request->key);
    set_unless_empty(line, "request_id", request->id);
    set_unless_empty(line, "trace_id", request->trace);
    set_unless_empty(line, "span_id", request->span);
    return write_json_take(line);
}

void log_request(enum log_level level, const struct log_request *request)
{
    char path[LINE_SIZE / 2], message[LINE_SIZE];
    if (level > highest)
        return;
    tell_dropped();
    snprintf(path, sizeof path, "%s", request->path);
    if (form == LOG_JSON) {
        replace_controls(path);
        if (!write_request_json(level, request, path))
            atomic_fetch_add(&dropped, 1);
        return;
    }
    snprintf(message, sizeof message, "%.16s %s: %u after %.1f ms, %s%s%s%s%s", request->method, path,
             request->status, 1e3 * request->seconds, request->client, *request->key ? ", key " : "",
             request->key, *request->trace ? ", trace " : "", request->trace);
    const char *before = request_id;
    request_id = request->id;
    if (!write_message(level, message))
        atomic_fetch_add(&dropped, 1);
    request_id = before;
}
