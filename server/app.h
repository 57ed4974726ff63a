/* The services of a running `digitd serve`, handed to every handler.
 *
 * serve.c creates the services in the order of the fields and frees them in reverse. A handler reads the
 * pointers and never changes them; each service says in its own header which thread may call what. */
#ifndef DIGITD_APP_H
#define DIGITD_APP_H

struct metrics;         /* what is counted of requests and training */
struct access;          /* API keys */
struct store;           /* the database */
struct datasets;        /* what can be trained on */
struct registry;        /* models, versions, aliases */
struct evaluations;     /* confusion matrices and mistakes of versions */
struct predict_service; /* queue, workers and the models being served */
struct jobs;            /* training jobs */
struct event_streams;   /* clients that follow the log of events */
struct sweeps;          /* many of them, compared */
struct retention;       /* how many are kept */

struct app {
    const char *store_dir;  /* database, model files, checkpoints */
    const char *data_dir;   /* datasets, one folder each */
    const char *static_dir; /* the page's files while developing; NULL: the embedded ones */
    struct metrics *metrics;
    struct access *access; /* NULL: everyone may do everything */
    struct store *store;
    struct datasets *datasets;
    struct registry *registry;
    struct predict_service *predictions;
    struct evaluations *evaluations;
    struct jobs *jobs;
    struct event_streams *streams;
    struct sweeps *sweeps;
    struct retention *retention;
};

#endif
