/* Jobs, their curves and the versions they made as JSON, as the API shows them. Any thread. */
#ifndef DIGITD_JOB_JSON_H
#define DIGITD_JOB_JSON_H

#include "server/jobs.h"

/* New references, NULL without memory. */
struct json_t *job_progress_to_json(const struct job_view *view); /* of a live one */
struct json_t *job_to_json(const struct job_view *view);
struct json_t *job_series_to_json(const struct job_series *series, size_t max_points);
struct json_t *model_to_json(const struct model_record *model);
struct json_t *version_to_json(const struct version_record *version);
struct json_t *alias_move_to_json(const struct alias_move *move);
struct json_t *alias_history_to_json(const struct alias_move *move);

#endif
