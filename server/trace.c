#include "server/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ID_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:"
#define HEX           "0123456789abcdef"

void request_id_choose(const char *given, uint64_t server, uint64_t number, char ret_id[REQUEST_ID_SIZE])
{
    size_t length = given ? strlen(given) : 0;
    if (length > 0 && length < REQUEST_ID_SIZE && strspn(given, ID_CHARACTERS) == length)
        memcpy(ret_id, given, length + 1);
    else
        snprintf(ret_id, REQUEST_ID_SIZE, "%016" PRIx64 "-%" PRIx64, server, number);
}

/* `length` lower-case hex digits that are not all 0, and then `end`. */
static bool is_id(const char *text, size_t length, char end)
{
    return strspn(text, HEX) == length && text[length] == end && strspn(text, "0") < length;
}

bool trace_parse(const char *traceparent, char ret_trace[TRACE_ID_SIZE], char ret_span[SPAN_ID_SIZE])
{
    enum { TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53, LENGTH = 55 };
    ret_trace[0] = ret_span[0] = '\0';
    /* Later versions may be longer; ff is none. */
    if (!traceparent || strlen(traceparent) < LENGTH || strspn(traceparent, HEX) != 2 ||
        traceparent[2] != '-' || strncmp(traceparent, "ff", 2) == 0 ||
        (strncmp(traceparent, "00", 2) == 0 && traceparent[LENGTH]))
        return false;
    if (!is_id(traceparent + TRACE_AT, TRACE_ID_SIZE - 1, '-') ||
        !is_id(traceparent + SPAN_AT, SPAN_ID_SIZE - 1, '-') || strspn(traceparent + FLAGS_AT, HEX) < 2)
        return false;
    snprintf(ret_trace, TRACE_ID_SIZE, "%s", traceparent + TRACE_AT);
    snprintf(ret_span, SPAN_ID_SIZE, "%s", traceparent + SPAN_AT);
    return true;
}
