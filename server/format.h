/* Numbers as people read them. Any thread. */
#ifndef DIGITD_FORMAT_H
#define DIGITD_FORMAT_H

#include <stddef.h>

#define FORMAT_SIZE 32

/* A whole number of up to 2^53 with separators: 889834 -> "889,834". */
const char *format_count(double count, char ret_text[FORMAT_SIZE]);

/* Seconds, rounded up: "0:07", "12:05", "3:00:12". */
const char *format_duration(double seconds, char ret_text[FORMAT_SIZE]);

/* Bytes in the unit that leaves 1 to 4 digits: "512 KiB", "3.4 MiB". */
const char *format_bytes(double bytes, char ret_text[FORMAT_SIZE]);

#endif
