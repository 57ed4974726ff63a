#include "server/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *format_count(double count, char ret_text[FORMAT_SIZE])
{
    char digits[FORMAT_SIZE];
    int length = snprintf(digits, sizeof digits, "%.0f", fabs(count));
    char *out = ret_text;
    if (count < 0)
        *out++ = '-';
    for (int i = 0; i < length && out < ret_text + FORMAT_SIZE - 2; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
    return ret_text;
}

const char *format_duration(double seconds, char ret_text[FORMAT_SIZE])
{
    long long whole = (long long)ceil(fmin(seconds, 1e12)), hours = whole / 3600;
    int minutes = (int)(whole / 60 % 60), rest = (int)(whole % 60);
    if (hours > 0)
        snprintf(ret_text, FORMAT_SIZE, "%lld:%02d:%02d", hours, minutes, rest);
    else
        snprintf(ret_text, FORMAT_SIZE, "%d:%02d", minutes, rest);
    return ret_text;
}

const char *format_bytes(double bytes, char ret_text[FORMAT_SIZE])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        bytes /= 1024;
        unit++;
    }
    snprintf(ret_text, FORMAT_SIZE, unit > 0 && bytes < 10 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return ret_text;
}
