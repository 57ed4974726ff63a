/* Log lines for who runs the server, on stderr: text for a person, or JSON for a collector.
 *
 * Any thread; each call writes one line at once. A line is dropped, and counted, rather than waited for: a collector that
 * does not read must not stop the service. */
#ifndef DIGITD_LOG_H
#define DIGITD_LOG_H

#include "engine/engine.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* NULL at the end; by enum log_level. */
extern const char *const log_level_names[];

enum log_format { LOG_TEXT, LOG_JSON };

/* NULL at the end; by enum log_format. */
extern const char *const log_format_names[];

/* Lines above `level` are dropped (LOG_INFO at first). Call both before other threads start. */
void log_set_level(enum log_level level);
void log_set_format(enum log_format format);

/* Whether lines of this level are written. */
bool log_is_on(enum log_level level);

void log_error(const char *format, ...) PRINTF_LIKE(1, 2);
void log_warning(const char *format, ...) PRINTF_LIKE(1, 2);
void log_info(const char *format, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *format, ...) PRINTF_LIKE(1, 2);

/* The same for a level that the caller does not know beforehand. */
void log_at(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

/* Messages of this thread are about the request with this id from here on, until NULL; the id must live as long. */
void log_set_request(const char *id);

/* A request that is done. */
struct log_request {
    const char *method, *path; /* as the client sent them */
    unsigned status;
    double seconds;
    const char *id;           /* of the request */
    const char *trace, *span; /* of its traceparent, "" without one */
    const char *client, *key; /* address; name of the API key, "" without one */
};

void log_request(enum log_level level, const struct log_request *request);

#endif
