/* The names that a request has in logs: its id, and the trace that it is part of (W3C Trace Context). Pure functions; any
 * thread. */
#ifndef DIGITD_TRACE_H
#define DIGITD_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#define REQUEST_ID_SIZE 65 /* with its end */
#define TRACE_ID_SIZE   33
#define SPAN_ID_SIZE    17

/* The id that a client gave (X-Request-Id: up to 64 letters, digits and "-_.:"), or one of this server: `server` is its
 * random part, `number` counts its requests. */
void request_id_choose(const char *given, uint64_t server, uint64_t number, char ret_id[REQUEST_ID_SIZE]);

/* Takes trace and parent out of a traceparent header ("00-<32 hex>-<16 hex>-<2 hex>"); false, with both empty, when it is
 * none. */
bool trace_parse(const char *traceparent, char ret_trace[TRACE_ID_SIZE], char ret_span[SPAN_ID_SIZE]);

#endif
