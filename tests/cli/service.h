/* A server for the commands that talk to one, in the folder of program.h: `digitd serve` on a free port with the bars as its
 * data. One at a time. Failures here fail the running test. */
#ifndef DIGITD_TESTS_SERVICE_H
#define DIGITD_TESTS_SERVICE_H

#include "tests/cli/program.h"

/* Options of a training of 810 parameters on the bars. */
#define TINY "--dataset bars --model tiny.json "

/* Group set-up and tear-down for cmocka: the folder with its bars, tiny.json and a server there. */
int service_make(void **state);
int service_remove(void **state);

/* The server, with more arguments; its end, in order or by a kill; and again on the same port and store. */
void service_start(const char *arguments);
void service_end(void);
void service_kill(void);
void service_restart(void);

const char *service_url(void);

/* Runs `digitd WORDS` against it. */
int service_run(const char *words);
pid_t service_run_in_background(const char *words);

/* The same with an id in the place of %s. */
int service_run_on(const char *words, const char *id);

/* `digitd COMMAND start WORDS`: the id of what was started, to be freed. */
char *service_begin(const char *command, const char *words);

/* Waits until the file in the folder holds the text. */
void wait_for_text(const char *name, const char *text);

/* A value of what the last run wrote as JSON: a copy of a string, to be freed, or a number. */
char *out_text(const char *field);
double out_number(const char *field);

#endif
