#include "server/routes.h"

#include <stdio.h>
#include <string.h>

#include "server/access.h"
#include "server/handlers.h"

/* Who may ask models may look at them. */
#define ASKERS (SCOPE_READ | SCOPE_PREDICT)

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* A picture of 1024x1024 in RGBA that does not compress fills it. */
#define PREDICT_BODY_MAX (4 * MIB)
#define PREDICT_TYPES                                                                                        \
    {                                                                                                        \
        "image/png", "application/json", "multipart/form-data"                                               \
    }
#define PREDICT_QUERY                                                                                        \
    {                                                                                                        \
        "mode", "version", "alias", "job"                                                                    \
    }

/* 256 images as JSON, with all digits that a double may have. */
#define TENSOR_BODY_MAX (8 * MIB)
#define TENSOR_TYPES                                                                                         \
    {                                                                                                        \
        "application/json", "application/octet-stream"                                                       \
    }

#define JOB_BODY_MAX (64 * KIB)

/* 60,000 digits of MNIST's size fit in it as they are, gzipped as many as a dataset may have. */
#define SAMPLES_BODY_MAX (64 * MIB)

/* 16 million parameters */
#define WEIGHTS_BODY_MAX (64 * MIB)

/* The first match counts. */
static const struct route routes[] = {
    {HTTP_GET, "/livez", handle_livez, .lane = LANE_EVENT, .open = true},
    {HTTP_GET, "/readyz", handle_readyz, .lane = LANE_EVENT, .open = true},
    {HTTP_GET, "/metrics", handle_metrics, .lane = LANE_WORKER, .quiet = true},
    {HTTP_GET, "/api/v1/version", handle_version, .lane = LANE_EVENT},

    {HTTP_POST, "/api/v1/predict", handle_predict, .lane = LANE_EVENT, .body_max = PREDICT_BODY_MAX,
     .media_types = PREDICT_TYPES, .query = PREDICT_QUERY, .scopes = SCOPE_PREDICT},
    {HTTP_POST, "/api/v1/models/{model}/predict", handle_predict, .lane = LANE_EVENT,
     .body_max = PREDICT_BODY_MAX, .media_types = PREDICT_TYPES, .query = PREDICT_QUERY,
     .scopes = SCOPE_PREDICT},
    {HTTP_POST, "/api/v1/predict/explain", handle_explain, .lane = LANE_WORKER, .body_max = PREDICT_BODY_MAX,
     .media_types = PREDICT_TYPES, .query = PREDICT_QUERY, .scopes = SCOPE_PREDICT},
    {HTTP_POST, "/api/v1/models/{model}/predict/explain", handle_explain, .lane = LANE_WORKER,
     .body_max = PREDICT_BODY_MAX, .media_types = PREDICT_TYPES, .query = PREDICT_QUERY,
     .scopes = SCOPE_PREDICT},

    {HTTP_POST, "/api/v1/jobs", handle_job_create, .lane = LANE_WORKER, .body_max = JOB_BODY_MAX,
     .media_types = {"application/json"}},
    {HTTP_GET, "/api/v1/jobs", handle_job_list, .lane = LANE_WORKER,
     .query = {"status", "sweep", "all", "after", "limit"}},
    {HTTP_GET, "/api/v1/jobs/{id}", handle_job_get, .lane = LANE_WORKER},
    {HTTP_DELETE, "/api/v1/jobs/{id}", handle_job_delete, .lane = LANE_WORKER},
    {HTTP_POST, "/api/v1/jobs/{id}/cancel", handle_job_cancel, .lane = LANE_WORKER},
    {HTTP_POST, "/api/v1/jobs/{id}/pause", handle_job_pause, .lane = LANE_WORKER},
    {HTTP_POST, "/api/v1/jobs/{id}/resume", handle_job_resume, .lane = LANE_WORKER},
    {HTTP_POST, "/api/v1/jobs/{id}/priority", handle_job_priority, .lane = LANE_WORKER, .body_max = KIB,
     .media_types = {"application/json"}},
    {HTTP_GET, "/api/v1/jobs/{id}/metrics", handle_job_metrics, .lane = LANE_WORKER, .query = {"max_points"}},
    {HTTP_GET, "/api/v1/jobs/{id}/events", handle_events, .lane = LANE_WORKER, .query = {"after", "limit"}},
    {HTTP_GET, "/api/v1/events", handle_events, .lane = LANE_WORKER, .query = {"after", "limit"}},

    {HTTP_POST, "/api/v1/sweeps", handle_sweep_create, .lane = LANE_WORKER, .body_max = JOB_BODY_MAX,
     .media_types = {"application/json"}},
    {HTTP_GET, "/api/v1/sweeps", handle_sweep_list, .lane = LANE_WORKER, .query = {"after", "limit"}},
    {HTTP_POST, "/api/v1/sweeps/estimate", handle_sweep_estimate, .lane = LANE_WORKER,
     .body_max = JOB_BODY_MAX, .media_types = {"application/json"}},
    {HTTP_GET, "/api/v1/sweeps/{sweep}", handle_sweep_get, .lane = LANE_WORKER},
    {HTTP_DELETE, "/api/v1/sweeps/{sweep}", handle_sweep_delete, .lane = LANE_WORKER},
    {HTTP_POST, "/api/v1/sweeps/{sweep}/pause", handle_sweep_pause, .lane = LANE_WORKER},
    {HTTP_POST, "/api/v1/sweeps/{sweep}/resume", handle_sweep_resume, .lane = LANE_WORKER},
    {HTTP_POST, "/api/v1/sweeps/{sweep}/cancel", handle_sweep_cancel, .lane = LANE_WORKER},
    {HTTP_GET, "/api/v1/sweeps/{sweep}/events", handle_events, .lane = LANE_WORKER,
     .query = {"after", "limit"}},
    {HTTP_GET, "/api/v1/sweeps/{sweep}/results", handle_sweep_results, .lane = LANE_WORKER,
     .query = {"format"}},
    {HTTP_POST, "/api/v1/sweeps/{sweep}/promote", handle_sweep_promote, .lane = LANE_WORKER,
     .body_max = JOB_BODY_MAX, .media_types = {"application/json"}},

    {HTTP_GET, "/api/v1/models", handle_model_list, .lane = LANE_WORKER, .query = {"after", "limit"}},
    {HTTP_GET, "/api/v1/models/{model}", handle_model_get, .lane = LANE_WORKER, .query = {"after", "limit"}},
    {HTTP_PUT, "/api/v1/models/{model}/aliases/{alias}", handle_alias_put, .lane = LANE_WORKER,
     .body_max = KIB, .media_types = {"application/json"}},
    {HTTP_DELETE, "/api/v1/models/{model}/aliases/{alias}", handle_alias_delete, .lane = LANE_WORKER},
    {HTTP_POST, "/api/v1/models/{model}/aliases/{alias}/rollback", handle_alias_rollback,
     .lane = LANE_WORKER},
    {HTTP_GET, "/api/v1/models/{model}/aliases/{alias}/history", handle_alias_history, .lane = LANE_WORKER,
     .query = {"after", "limit"}},
    {HTTP_POST, "/api/v1/models/{model}/versions", handle_version_import, .lane = LANE_WORKER,
     .body_max = WEIGHTS_BODY_MAX, .media_types = {"application/octet-stream", "multipart/form-data"}},
    {HTTP_GET, "/api/v1/models/{model}/versions/{version}", handle_version_get, .lane = LANE_WORKER},
    {HTTP_DELETE, "/api/v1/models/{model}/versions/{version}", handle_version_delete, .lane = LANE_WORKER},
    {HTTP_GET, "/api/v1/models/{model}/versions/{version}/weights.safetensors", handle_weights_get,
     .lane = LANE_WORKER},
    {HTTP_GET, "/api/v1/models/{model}/versions/{version}/model.onnx", handle_onnx_get, .lane = LANE_WORKER},
    {HTTP_GET, "/api/v1/models/{model}/versions/{version}/evaluation", handle_evaluation_get,
     .lane = LANE_WORKER, .query = {"dataset", "split", "label", "predicted", "limit"}},

    {HTTP_GET, "/api/v1/datasets", handle_dataset_list, .lane = LANE_WORKER},
    {HTTP_GET, "/api/v1/datasets/{name}", handle_dataset_get, .lane = LANE_WORKER},
    {HTTP_DELETE, "/api/v1/datasets/{name}", handle_dataset_delete, .lane = LANE_WORKER},
    {HTTP_POST, "/api/v1/datasets/{dataset}/samples", handle_sample_create, .lane = LANE_WORKER,
     .body_max = SAMPLES_BODY_MAX,
     .media_types = {"application/json", "image/png", "multipart/form-data", "application/zip"},
     .query = {"label", "mode"}},
    {HTTP_GET, "/api/v1/datasets/{dataset}/samples", handle_sample_list, .lane = LANE_WORKER,
     .query = {"label", "after", "limit"}},
    {HTTP_GET, "/api/v1/datasets/{dataset}/samples/{sample}.png", handle_sample_image, .lane = LANE_WORKER},
    {HTTP_DELETE, "/api/v1/datasets/{dataset}/samples/{sample}", handle_sample_delete, .lane = LANE_WORKER},
    {HTTP_GET, "/api/v1/datasets/{name}/{split}/{index}.png", handle_dataset_image, .lane = LANE_WORKER,
     .query = {"augment", "rotation", "shift", "scale", "shear", "elastic", "thickness", "variant"}},

    {HTTP_GET, "/api/v1/recipes", handle_recipe_list, .lane = LANE_EVENT},

    {HTTP_GET, "/v2", handle_v2, .lane = LANE_EVENT, .scopes = ASKERS},
    {HTTP_GET, "/v2/health/live", handle_v2_live, .lane = LANE_EVENT, .open = true},
    {HTTP_GET, "/v2/health/ready", handle_v2_ready, .lane = LANE_EVENT, .open = true},
    {HTTP_GET, "/v2/models/stats", handle_v2_stats, .lane = LANE_WORKER, .scopes = ASKERS},
    {HTTP_GET, "/v2/models/{model}", handle_v2_model, .lane = LANE_WORKER, .scopes = ASKERS},
    {HTTP_GET, "/v2/models/{model}/ready", handle_v2_model_ready, .lane = LANE_WORKER, .scopes = ASKERS},
    {HTTP_GET, "/v2/models/{model}/stats", handle_v2_model_stats, .lane = LANE_WORKER, .scopes = ASKERS},
    {HTTP_POST, "/v2/models/{model}/infer", handle_v2_infer, .lane = LANE_EVENT, .body_max = TENSOR_BODY_MAX,
     .media_types = TENSOR_TYPES, .any_media_type = true, .scopes = SCOPE_PREDICT},
    {HTTP_GET, "/v2/models/{model}/versions/{version}", handle_v2_model, .lane = LANE_WORKER,
     .scopes = ASKERS},
    {HTTP_GET, "/v2/models/{model}/versions/{version}/ready", handle_v2_model_ready, .lane = LANE_WORKER,
     .scopes = ASKERS},
    {HTTP_GET, "/v2/models/{model}/versions/{version}/stats", handle_v2_model_stats, .lane = LANE_WORKER,
     .scopes = ASKERS},
    {HTTP_POST, "/v2/models/{model}/versions/{version}/infer", handle_v2_infer, .lane = LANE_EVENT,
     .body_max = TENSOR_BODY_MAX, .media_types = TENSOR_TYPES, .any_media_type = true,
     .scopes = SCOPE_PREDICT},
    {HTTP_POST, "/v2/repository/index", handle_v2_index, .lane = LANE_WORKER, .body_max = KIB,
     .media_types = {"application/json"}, .any_media_type = true, .scopes = ASKERS},

    {HTTP_POST, "/v1/models/{model}:predict", handle_tfs_predict, .lane = LANE_EVENT,
     .body_max = TENSOR_BODY_MAX, .media_types = {"application/json"}, .any_media_type = true,
     .scopes = SCOPE_PREDICT},
    {HTTP_POST, "/v1/models/{model}/versions/{version}:predict", handle_tfs_predict, .lane = LANE_EVENT,
     .body_max = TENSOR_BODY_MAX, .media_types = {"application/json"}, .any_media_type = true,
     .scopes = SCOPE_PREDICT},
    {HTTP_POST, "/v1/models/{model}/labels/{label}:predict", handle_tfs_predict, .lane = LANE_EVENT,
     .body_max = TENSOR_BODY_MAX, .media_types = {"application/json"}, .any_media_type = true,
     .scopes = SCOPE_PREDICT},
    {HTTP_GET, "/v1/models/{model}", handle_tfs_status, .lane = LANE_WORKER, .scopes = ASKERS},
    {HTTP_GET, "/v1/models/{model}/metadata", handle_tfs_metadata, .lane = LANE_WORKER, .scopes = ASKERS},
    {HTTP_GET, "/v1/models/{model}/versions/{version}", handle_tfs_status, .lane = LANE_WORKER,
     .scopes = ASKERS},
    {HTTP_GET, "/v1/models/{model}/versions/{version}/metadata", handle_tfs_metadata, .lane = LANE_WORKER,
     .scopes = ASKERS},
    {HTTP_GET, "/v1/models/{model}/labels/{label}", handle_tfs_status, .lane = LANE_WORKER, .scopes = ASKERS},
    {HTTP_GET, "/v1/models/{model}/labels/{label}/metadata", handle_tfs_metadata, .lane = LANE_WORKER,
     .scopes = ASKERS},

    {HTTP_GET, "/", handle_asset, .lane = LANE_EVENT, .any_query = true, .quiet = true},
    {HTTP_GET, "/*", handle_asset, .lane = LANE_EVENT, .any_query = true, .quiet = true},
    {.pattern = NULL},
};

static const char *const method_names[] = {
    [HTTP_GET] = "GET, HEAD", [HTTP_HEAD] = "",           [HTTP_POST] = "POST", [HTTP_PUT] = "PUT",
    [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS", [HTTP_OTHER] = ""};

/* A pattern that every path matches is for paths that nothing else knows. */
static bool is_catch_all(const struct route *route)
{
    return strcmp(route->pattern, "/*") == 0;
}

static bool capture(struct route_params *params, const char *name, const char *value, size_t length)
{
    if (length == 0 || length >= ROUTE_PARAM_SIZE || params->count == ROUTE_PARAMS_MAX)
        return false;
    params->names[params->count] = name;
    memcpy(params->values[params->count], value, length);
    params->values[params->count++][length] = '\0';
    return true;
}

static bool matches(const char *pattern, const char *path, struct route_params *ret_params)
{
    ret_params->count = 0;
    while (*pattern && *pattern != '*') {
        if (*pattern == '{') {
            const char *ending = pattern + strcspn(pattern, "}") + 1; /* of the segment; matched next */
            size_t length = strcspn(path, "/"), fixed = strcspn(ending, "/");
            if (length < fixed || !capture(ret_params, pattern + 1, path, length - fixed))
                return false;
            path += length - fixed;
            pattern = ending;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *pattern == '*' || *path == '\0';
}

const struct route *routes_find_in(const struct route *table, enum http_method method, const char *path,
                                   struct route_params *ret_params, char ret_allow[ROUTE_ALLOW_SIZE])
{
    enum http_method sought = method == HTTP_HEAD ? HTTP_GET : method;
    size_t length = 0;
    ret_allow[0] = '\0';
    for (const struct route *route = table; route->pattern; route++) {
        if (!matches(route->pattern, path, ret_params) || (is_catch_all(route) && length > 0))
            continue;
        if (route->method == sought)
            return route;
        if (!is_catch_all(route) && length < ROUTE_ALLOW_SIZE)
            length += (size_t)snprintf(ret_allow + length, ROUTE_ALLOW_SIZE - length, "%s%s",
                                       length ? ", " : "", method_names[route->method]);
    }
    return NULL;
}

const struct route *routes_find(enum http_method method, const char *path, struct route_params *ret_params,
                                char ret_allow[ROUTE_ALLOW_SIZE])
{
    return routes_find_in(routes, method, path, ret_params, ret_allow);
}

const struct route *routes_at(size_t index)
{
    return index < sizeof routes / sizeof *routes - 1 ? &routes[index] : NULL;
}
