/* Log lines for the person who runs the server, on stderr. Any thread; each call writes one line at once. */
#ifndef DIGITD_LOG_H
#define DIGITD_LOG_H

#include <stdbool.h>

#include "engine/engine.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* Lines above `level` are dropped (LOG_INFO at first). Call it before other threads start. */
void log_set_level(enum log_level level);

/* Parses "error", "warning", "info", "debug"; false for anything else. */
bool log_level_from_name(const char *name, enum log_level *ret_level);

/* Whether a line of `level` would be written: for callers to whom the arguments cost something. */
bool log_wants(enum log_level level);

void log_error(const char *format, ...) PRINTF_LIKE(1, 2);
void log_warning(const char *format, ...) PRINTF_LIKE(1, 2);
void log_info(const char *format, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
