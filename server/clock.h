/* The two clocks: what time it is (for records), and how much time has passed (for rates). Any thread. */
#ifndef DIGITD_CLOCK_H
#define DIGITD_CLOCK_H

#include <stdint.h>

/* Milliseconds since 1970-01-01 UTC. */
int64_t clock_wall_ms(void);

/* Seconds since some fixed moment; never goes back. */
double clock_seconds(void);

/* "2025-01-31T09:30:00.250Z" (RFC 3339), 24 characters and the NUL. */
#define CLOCK_TEXT_SIZE 25
void clock_format(int64_t wall_ms, char ret_text[CLOCK_TEXT_SIZE]);

#endif
