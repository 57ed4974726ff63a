/* Tables for people: columns as wide as what is in them. Where the terminal is narrower, texts are shortened a little; where
 * that is not enough, columns are left out one after the other. A plain value, one thread. */
#ifndef DIGITD_TABLE_H
#define DIGITD_TABLE_H

#include "engine/engine.h"

#include <stdio.h>

#define TABLE_COLUMNS_MAX 24

struct table_column {
    const char *title;
    bool right; /* aligned so, as numbers are */
    bool state; /* coloured by what it says, where colours are wanted */
    int least;  /* may be shortened to so many characters, and to a few when nothing else helps; 0: never */
    int leaves; /* left out after the columns with a smaller number; 0: never */
};

struct table {
    const struct table_column *columns;
    size_t column_count;
    char **cells; /* row by row */
    size_t count, capacity;
    bool failed; /* for lack of memory */
};

/* Borrows `columns`. */
struct table table_begin(const struct table_column *columns, size_t count);

/* The next cell, by printf's rules; control characters become ?. Rows follow each other. */
void table_cell(struct table *table, const char *format, ...) PRINTF_LIKE(2, 3);

/* Prints and frees it. Nothing is shortened, left out or coloured where the stream is no terminal. ERR_MEMORY: it was not
 * whole. */
enum status table_print(struct table *table, FILE *stream);

/* The width of a terminal; 0 for other streams. */
int table_terminal_columns(FILE *stream);

/* Control characters become ?, so that nobody's text moves the cursor. */
void table_clean(char *text);

#endif
