#include "server/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GAP       2
#define NARROWEST 6    /* of a column that may be shortened */
#define LEFT_OUT  (-1) /* in the place of its width */

/* ---- Filling ------------------------------------------------------------------------------------- */

struct table table_begin(const struct table_column *columns, size_t count)
{
    return (struct table){.columns = columns, .column_count = count};
}

void table_clean(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

void table_cell(struct table *table, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? 2 * table->capacity : 64;
        char **larger = realloc(table->cells, capacity * sizeof *larger);
        table->failed = table->failed || !larger;
        if (!larger)
            return;
        table->cells = larger;
        table->capacity = capacity;
    }
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        table->failed = true;
        return;
    }
    table_clean(text);
    table->cells[table->count++] = text;
}

/* ---- Widths -------------------------------------------------------------------------------------- */

int table_terminal_columns(FILE *stream)
{
    struct winsize size;
    if (!isatty(fileno(stream)))
        return 0;
    return ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* Characters of UTF-8: bytes that do not continue another. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static int shortened(const struct table_column *column, int width)
{
    return column->least > 0 && column->least < width ? column->least : width;
}

/* What the table takes as it is, or `shortest`: when all is shortened that may be. */
static int total_width(const struct table *table, const int widths[TABLE_COLUMNS_MAX], bool shortest)
{
    int total = -GAP;
    for (size_t i = 0; i < table->column_count; i++)
        if (widths[i] != LEFT_OUT)
            total += (shortest ? shortened(&table->columns[i], widths[i]) : widths[i]) + GAP;
    return total;
}

/* Leaves out the next column; false when all that are left must stay. */
static bool leave_out(const struct table *table, int widths[TABLE_COLUMNS_MAX])
{
    size_t next = table->column_count;
    for (size_t i = 0; i < table->column_count; i++)
        if (table->columns[i].leaves > 0 && widths[i] != LEFT_OUT &&
            (next == table->column_count || table->columns[i].leaves < table->columns[next].leaves))
            next = i;
    if (next == table->column_count)
        return false;
    widths[next] = LEFT_OUT;
    return true;
}

/* Takes what is too much from the widest column that may be shortened, one at a time; `harder`: beyond its least. */
static void shorten(const struct table *table, int widths[TABLE_COLUMNS_MAX], int columns, bool harder)
{
    for (int total = total_width(table, widths, false); total > columns; total--) {
        size_t widest = table->column_count;
        for (size_t i = 0; i < table->column_count; i++) {
            const struct table_column *column = &table->columns[i];
            if (column->least > 0 && widths[i] > (harder ? NARROWEST : column->least) &&
                (widest == table->column_count || widths[i] > widths[widest]))
                widest = i;
        }
        if (widest == table->column_count)
            return;
        widths[widest]--;
    }
}

static void fit(const struct table *table, int widths[TABLE_COLUMNS_MAX], int columns)
{
    while (total_width(table, widths, true) > columns && leave_out(table, widths))
        ;
    shorten(table, widths, columns, false);
    shorten(table, widths, columns, true);
}

static void measure(const struct table *table, FILE *stream, int widths[TABLE_COLUMNS_MAX])
{
    assert(table->column_count > 0);
    int columns = table_terminal_columns(stream);
    for (size_t i = 0; i < table->column_count; i++)
        widths[i] = width_of(table->columns[i].title);
    for (size_t i = 0; i < table->count; i++) {
        int width = width_of(table->cells[i]), *widest = &widths[i % table->column_count];
        *widest = width > *widest ? width : *widest;
    }
    if (columns > 0)
        fit(table, widths, columns);
}

/* ---- Printing ------------------------------------------------------------------------------------ */

static const char *colour_of(const char *state)
{
    static const struct {
        const char *state, *colour;
    } colours[] = {
        {"succeeded", "\033[32m"}, {"running", "\033[36m"}, {"paused", "\033[33m"},
        {"failed", "\033[31m"},    {"invalid", "\033[31m"}, {"cancelled", "\033[33m"},
    };
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        if (strcmp(colours[i].state, state) == 0)
            return colours[i].colour;
    return NULL;
}

/* The first `width` characters, the last of them an ellipsis where there are more. */
static void print_text(FILE *stream, const char *text, int width)
{
    int limit = width_of(text) > width ? width - 1 : width, seen = 0;
    for (const char *at = text; *at; at++) {
        seen += ((unsigned char)*at & 0xc0) != 0x80;
        if (seen > limit) {
            fputs("…", stream);
            return;
        }
        fputc(*at, stream);
    }
}

static void print_cell(FILE *stream, const struct table_column *column, const char *text, int width,
                       bool last, const char *colour)
{
    if (width == LEFT_OUT)
        return;
    int own = width_of(text), pad = own < width ? width - own : 0;
    if (column->right)
        fprintf(stream, "%*s", pad, "");
    fputs(colour ? colour : "", stream);
    print_text(stream, text, width);
    fputs(colour ? "\033[0m" : "", stream);
    if (!last)
        fprintf(stream, "%*s", (column->right ? 0 : pad) + GAP, "");
}

static void print_rows(const struct table *table, FILE *stream, const int *widths)
{
    assert(table->column_count > 0);
    const char *terminal = getenv("TERM"), *none = getenv("NO_COLOR");
    bool colours = isatty(fileno(stream)) && !(none && *none) && !(terminal && strcmp(terminal, "dumb") == 0);
    size_t last = table->column_count - 1;
    while (last > 0 && widths[last] == LEFT_OUT)
        last--;
    for (size_t i = 0; i < table->column_count; i++)
        print_cell(stream, &table->columns[i], table->columns[i].title, widths[i], i == last, NULL);
    fputc('\n', stream);
    for (size_t i = 0; i < table->count; i++) {
        size_t at = i % table->column_count;
        const struct table_column *column = &table->columns[at];
        print_cell(stream, column, table->cells[i], widths[at], at == last,
                   colours && column->state ? colour_of(table->cells[i]) : NULL);
        if (at + 1 == table->column_count)
            fputc('\n', stream);
    }
}

enum status table_print(struct table *table, FILE *stream)
{
    int widths[TABLE_COLUMNS_MAX] = {0};
    enum status status = table->failed ? ERR_MEMORY : OK;
    measure(table, stream, widths);
    if (status == OK)
        print_rows(table, stream, widths);
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct table){0};
    return status;
}
