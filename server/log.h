/* Log lines for the person who runs the server, on stderr. Any thread; each call writes one line at once. */
#ifndef DIGITD_LOG_H
#define DIGITD_LOG_H

#include "engine/engine.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* NULL at the end; by enum log_level. */
extern const char *const log_level_names[];

/* Lines above `level` are dropped (LOG_INFO at first). Call it before other threads start. */
void log_set_level(enum log_level level);

void log_error(const char *format, ...) PRINTF_LIKE(1, 2);
void log_warning(const char *format, ...) PRINTF_LIKE(1, 2);
void log_info(const char *format, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
