#include "server/client_json.h"

#include "server/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const json_t *client_at(const json_t *json, const char *pointer)
{
    while (json && *pointer == '/') {
        char key[64];
        size_t length = strcspn(pointer + 1, "/");
        snprintf(key, sizeof key, "%.*s", (int)length, pointer + 1);
        json = json_object_get(json, key);
        pointer += 1 + length;
    }
    return json;
}

const char *client_text_at(const json_t *json, const char *pointer)
{
    const char *text = json_string_value(client_at(json, pointer));
    return text ? text : CLIENT_NOTHING;
}

double client_number_at(const json_t *json, const char *pointer)
{
    const json_t *value = client_at(json, pointer);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *client_percent_at(const json_t *json, const char *pointer, char ret_text[FORMAT_SIZE])
{
    double number = client_number_at(json, pointer);
    if (isnan(number))
        return CLIENT_NOTHING;
    snprintf(ret_text, FORMAT_SIZE, "%.2f %%", 100 * number);
    return ret_text;
}

const char *client_count_at(const json_t *json, const char *pointer, char ret_text[FORMAT_SIZE])
{
    double number = client_number_at(json, pointer);
    return isnan(number) ? CLIENT_NOTHING : format_count(number, ret_text);
}

const char *client_duration_at(const json_t *json, const char *pointer, char ret_text[FORMAT_SIZE])
{
    double number = client_number_at(json, pointer);
    return isnan(number) ? CLIENT_NOTHING : format_duration(number, ret_text);
}

const char *client_bytes_at(const json_t *json, const char *pointer, char ret_text[FORMAT_SIZE])
{
    double number = client_number_at(json, pointer);
    return isnan(number) ? CLIENT_NOTHING : format_bytes(number, ret_text);
}

const char *client_time_at(const json_t *json, const char *pointer, char ret_text[FORMAT_SIZE])
{
    struct tm moment = {0};
    const char *text = client_text_at(json, pointer);
    if (!strptime(text, "%Y-%m-%dT%H:%M:%S", &moment))
        return CLIENT_NOTHING;
    time_t seconds = timegm(&moment);
    localtime_r(&seconds, &moment);
    strftime(ret_text, FORMAT_SIZE, "%Y-%m-%d %H:%M", &moment);
    return ret_text;
}

void client_print_field(const char *name, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    table_clean(text);
    printf("%-18s %s\n", name, text);
    free(text);
}
