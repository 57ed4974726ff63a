/* The model registry: names, versions 1, 2, 3…, and aliases, of which `production` is what predictions use unless they
 * ask for another. A version's weights are the file models/NAME/VERSION.safetensors of the store; a row says
 * where it came from. Neither changes while it is there.
 *
 * Any thread may call. Functions read and write files, so not on a thread that must not block. */
#ifndef DIGITD_REGISTRY_H
#define DIGITD_REGISTRY_H

#include "engine/engine.h"
#include "server/files.h"
#include "server/store_jobs.h"
#include "server/store_models.h"

struct predict_service;
struct registry;

/* Removes files that no row tells of (a publication that was cut short). Borrows `store`. */
MUST_CHECK enum status registry_create(struct store *store, struct registry **ret_registry,
                                       struct error *err);
void registry_free(struct registry *registry);

/* Puts every alias's version into `predictions`, now and whenever the alias moves. Call it once,
 * before other threads use the registry. A version whose file cannot be read is logged and left out. */
MUST_CHECK enum status registry_serve(struct registry *registry, struct predict_service *predictions,
                                      struct error *err);

/* ---- Publishing ------------------------------------------------------------------------------------ */

/* Whether a new version goes into production. */
enum promotion {
    PROMOTION_NEVER,
    PROMOTION_IF_BETTER, /* when nothing is there, or it beats what is there in accuracy on its own test set */
    PROMOTION_ALWAYS,
};

/* NULL at the end; by enum promotion. */
extern const char *const promotion_names[];

/* Registers what a job trained as the next version of `version->model`, and with it ends the job: both happen or
 * neither. The caller fills `version` up to the lines of version, created_at, core_type, code_version, parameters,
 * digests of weights and file, and file_bytes, which are filled here. JOB_REFUSED: the job was stopped meanwhile. */
MUST_CHECK enum job_change registry_publish(struct registry *registry, struct model *model,
                                            struct version_record *version, enum promotion promotion,
                                            struct error *err);

/* What a job that made `version` says as its result; version 0 is none. JSON text on the heap, NULL without memory. */
char *registry_make_result(const struct version_record *version, bool promoted);

/* Whether `version` should go into production by `promotion`. See rival.h: PROMOTION_IF_BETTER says no when the accuracy of
 * what is there is not known on the test set of `version`. */
MUST_CHECK enum status registry_decide_promotion(struct registry *registry,
                                                 const struct version_record *version,
                                                 enum promotion promotion, bool *ret_promote,
                                                 struct error *err);

/* Registers `model` as the next version of `version->model`, for no job and under no alias. The caller fills `version` as for
 * registry_publish. */
MUST_CHECK enum status registry_add(struct registry *registry, struct model *model,
                                    struct version_record *version, struct error *err);

/* Registers the safetensors file in `bytes` as the next version of `name`, which no alias gets by itself. A plan that is
 * not NULL says what the layers are; else the file's metadata do. Errors as model_load_as, without a path. */
MUST_CHECK enum status registry_import(struct registry *registry, const char *name, const void *bytes,
                                       size_t size, const struct model_plan *plan, int *ret_version,
                                       struct error *err);

/* Removes a version and its files. ERR_NOT_FOUND: no such version. ERR_ARGUMENT: an alias points to it. */
MUST_CHECK enum status registry_delete(struct registry *registry, const char *name, int version,
                                       struct error *err);

/* ---- Aliases --------------------------------------------------------------------------------------- */

/* As store_alias_move and store_alias_rollback; predictions have changed over when these return, and each of them was
 * answered by one version or the other. Neither fails a prediction. */
MUST_CHECK enum status registry_alias_move(struct registry *registry, struct alias_move *move,
                                           struct error *err);
MUST_CHECK enum status registry_alias_rollback(struct registry *registry, struct alias_move *move,
                                               struct error *err);

/* ---- Looking up ------------------------------------------------------------------------------------ */

/* The weights of a version; the caller gets a reference. ERR_NOT_FOUND: no such version. */
MUST_CHECK enum status registry_load(struct registry *registry, const char *name, int version,
                                     struct model **ret_model, struct error *err);

/* Where a version's form in ONNX is: a file beside its weights, written when it is first asked for after a start.
 * ERR_NOT_FOUND: no such version. */
MUST_CHECK enum status registry_onnx_path(struct registry *registry, const char *name, int version,
                                          char ret_path[FILES_PATH_SIZE], struct error *err);

/* Where a version's file is, whether it exists or not. */
MUST_CHECK enum status registry_path(const struct registry *registry, const char *name, int version,
                                     char ret_path[FILES_PATH_SIZE], struct error *err);

#endif
