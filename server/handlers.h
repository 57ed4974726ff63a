/* One prototype a handler, by the file that holds it. See http.h for what a handler is. */
#ifndef DIGITD_HANDLERS_H
#define DIGITD_HANDLERS_H

#include "server/http.h"

/* handle_health.c */
handler handle_livez;
handler handle_readyz;
handler handle_version;

/* handle_metrics.c */
handler handle_metrics;

/* handle_jobs.c */
handler handle_job_create;
handler handle_job_list;
handler handle_job_get;
handler handle_job_cancel;
handler handle_job_pause;
handler handle_job_resume;
handler handle_job_delete;
handler handle_job_priority;
handler handle_job_metrics;

/* handle_events.c */
handler handle_events;
/* handle_sweeps.c */
handler handle_sweep_create;
handler handle_sweep_estimate;
handler handle_sweep_list;
handler handle_sweep_get;
handler handle_sweep_pause;
handler handle_sweep_resume;
handler handle_sweep_cancel;
handler handle_sweep_delete;
handler handle_sweep_results;
handler handle_sweep_promote;

/* handle_models.c */
handler handle_model_list;
handler handle_model_get;
handler handle_version_get;
handler handle_version_delete;
handler handle_version_import;
handler handle_weights_get;
handler handle_onnx_get;
handler handle_evaluation_get;

/* handle_aliases.c */
handler handle_alias_put;
handler handle_alias_delete;
handler handle_alias_rollback;
handler handle_alias_history;

/* handle_datasets.c */
handler handle_dataset_list;
handler handle_dataset_get;
handler handle_dataset_image;

/* handle_samples.c */
handler handle_sample_create;
handler handle_sample_list;
handler handle_sample_image;
handler handle_sample_delete;
handler handle_dataset_delete;

/* handle_recipes.c */
handler handle_recipe_list;

/* handle_page.c */
handler handle_asset;

/* handle_predict.c */
handler handle_predict;

/* handle_explain.c */
handler handle_explain;

/* handle_v2.c */
handler handle_v2;
handler handle_v2_live;
handler handle_v2_ready;
handler handle_v2_model;
handler handle_v2_model_ready;
handler handle_v2_model_stats;
handler handle_v2_stats;
handler handle_v2_index;

/* handle_v2_infer.c */
handler handle_v2_infer;

/* handle_tfs.c */
handler handle_tfs_status;
handler handle_tfs_metadata;
handler handle_tfs_predict;

#endif
