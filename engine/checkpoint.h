/* Models and training runs as safetensors files. */
#ifndef ENGINE_CHECKPOINT_H
#define ENGINE_CHECKPOINT_H

#include "engine/network.h"
#include "engine/train_step.h"

/* Where a training run stands between two pieces of work: with the slabs, all that a run is. */
struct train_place {
    int epoch;       /* finished epochs */
    int64_t step;    /* finished steps of the epoch under way */
    int64_t updates; /* of the weights, over all epochs */
    double loss_sum; /* over the images of the epoch under way */
    int64_t correct; /* among them */
    double seconds;  /* spent on the epoch under way */

    int64_t
        best_epoch; /* with patience: the one with the lowest validation loss so far, 1-based; 0: none yet */
    double best_loss; /* its validation loss */

    double temperature,
        best_temperature; /* fitted to the validation images after the last epoch, and the best */
};

/* What a checkpoint holds beside the slabs. */
struct checkpoint {
    struct model_plan plan;
    struct train_config config;
    char dataset[65]; /* digest */
    struct train_place place;
};

/* Writes the slabs of `state` and `checkpoint` as model_save does. */
MUST_CHECK enum status checkpoint_save(const struct network *network, const struct train_state *state,
                                       const struct checkpoint *checkpoint, const char *path,
                                       struct error *err);

struct safetensors_file;

/* Reads and checks what a checkpoint says of itself; the file stays open for checkpoint_read_state. */
MUST_CHECK enum status checkpoint_open(const char *path, struct safetensors_file **ret_file,
                                       struct checkpoint *ret_checkpoint, struct error *err);

/* Fills the slabs' tensors of a network made from the checkpoint's plan. */
MUST_CHECK enum status checkpoint_read_state(const struct safetensors_file *file,
                                             const struct network *network, struct train_state *state,
                                             struct error *err);

#endif
