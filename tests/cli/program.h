/* Runs the real program, in an empty folder of its own and without the caller's DIGITD_ variables, and keeps what it
 * wrote. The binary is $DIGITD_BINARY, or build/digitd. One test at a time. */
#ifndef DIGITD_TESTS_PROGRAM_H
#define DIGITD_TESTS_PROGRAM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>
#include <jansson.h>

/* Set-up and tear-down for cmocka: the folder. */
int program_folder_make(void **state);
int program_folder_remove(void **state);

/* Whether there is a file of that name in the folder; writing one; its path for other functions. */
bool program_file_exists(const char *name);
void program_file_write(const char *name, const void *bytes, size_t size);
char *program_file_read(const char *name);       /* as text, to be freed; "" when there is no such file */
const char *program_file_path(const char *name); /* valid until the next call */

/* Where the program under test is. */
const char *program_binary(void);

struct program_setup {
    const char *input;    /* a file of the folder for stdin; NULL: empty */
    const char *output;   /* where stdout goes; NULL: kept for program_out */
    const char *errors;   /* where stderr goes; NULL: kept for program_err */
    const char *variable; /* one more in the environment, "NAME=value", or NULL */
};

/* Runs `digitd WORDS`, words parted by spaces. Returns the exit code, 128 + n after signal n. */
int program_run(const char *words);
int program_run_with(const char *words, struct program_setup setup);

/* The same in two steps. */
pid_t program_start(const char *words, struct program_setup setup);
int program_wait(pid_t process);

/* Starts `digitd WORDS`, waits until the file in the folder has something in it, sends SIGINT. Returns the exit code. */
int program_interrupt(const char *words, const char *file);

/* What the last run wrote. */
const char *program_out(void);
const char *program_err(void);
json_t *program_out_json(void); /* a new reference; fails the test when it is no JSON */

/* Fails the test unless the last run wrote exactly, or among others, this. */
void assert_out(const char *text);
void assert_err(const char *text);
void assert_out_has(const char *part);
void assert_err_has(const char *part);

/* A data set of easy images, so that tests are quick and know the right answer: a digit is a bright bar in its own
 * place. Files for `--data-dir data --dataset bars`. */
#define BARS_TRAIN 640
#define BARS_TEST  100
void program_make_bars(void);
void bar_image(int digit, int variant, uint8_t ret_image[28 * 28]);

#endif
