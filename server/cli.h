/* What the commands that work without a server share: messages, input files, interruption, evaluation with a bar.
 * For the main thread. */
#ifndef DIGITD_CLI_H
#define DIGITD_CLI_H

#include "engine/engine.h"
#include "server/options.h"
#include "server/progress.h"

#include <jansson.h>

/* ---- Messages ------------------------------------------------------------------------------------ */

/* Prints "digitd COMMAND: …" on stderr and returns EXIT_FAILURE. */
int cli_failed(const char *command, const char *format, ...) PRINTF_LIKE(2, 3);
int cli_failed_with(const char *command, const struct error *err);

/* Prints the value on stdout and gives up the reference; NULL is lack of memory. Returns what to exit with. */
int cli_print_json_take(const char *command, json_t *json);

/* ---- Input --------------------------------------------------------------------------------------- */

/* A whole file, "-" is stdin; free() `ret_bytes`. ERR_FORMAT: more than `limit` bytes. */
MUST_CHECK enum status cli_read_file(const char *path, size_t limit, uint8_t **ret_bytes, size_t *ret_size,
                                     struct error *err);

/* The planned model of --preset or --model; without either, of `standard`. Says what is wrong, all of it, and returns
 * what to exit with; 0 when all is well. */
MUST_CHECK int cli_read_plan(const char *command, const char *preset, const char *model_file,
                             const struct model_spec *standard, struct model_plan *ret_plan);

/* A split of the data set `name` in `data_dir`. */
MUST_CHECK enum status cli_open_dataset(const char *data_dir, const char *name, enum split split,
                                        struct dataset **ret_dataset, struct error *err);

/* Makes the engine ready, and a team of `threads`, 0 for one a processor. */
MUST_CHECK enum status cli_start_engine(int threads, struct thread_team **ret_team, struct error *err);

/* ---- Work ---------------------------------------------------------------------------------------- */

/* From here on Ctrl-C and SIGTERM only set what cli_interrupted reads; the second one ends the program. */
void cli_catch_interrupts(void);
bool cli_interrupted(void);

/* Evaluates `model` on all of `data` behind a bar. ERR_IO: interrupted. */
MUST_CHECK enum status cli_evaluate(struct model *model, struct dataset *data, struct thread_team *team,
                                    struct progress *progress, struct evaluation *ret_evaluation,
                                    struct calibration *ret_calibration, struct error *err);

#endif
