/* The options of a recipe: --recipe NAME, and one for each field of struct train_config that replaces what the recipe says.
 * For the commands that train, or tell what training would be like.
 *
 * They are kept as the text that was given: the engine's own reader checks them, and so knows a field's type and
 * range. A command has `struct training_options training` in its settings and TRAINING_OPTIONS in its table. */
#ifndef DIGITD_TRAINING_OPTIONS_H
#define DIGITD_TRAINING_OPTIONS_H

#include "engine/engine.h"
#include "server/options.h"

#include <jansson.h>

/* Member of struct train_config, option, what to call its value, help. A new field of the engine is a line here. */
#define TRAINING_FIELDS(X)                                                                                   \
    X(epochs, "epochs", "N", "Passes over the training images")                                              \
    X(batch_size, "batch-size", "N", "Images a step")                                                        \
    X(learning_rate, "learning-rate", "X", "Adam's step size, at its highest")                               \
    X(schedule, "schedule", "NAME", "How the learning rate moves: constant, or cosine down to 0")            \
    X(warmup, "warmup", "X", "Share of the run over which the learning rate rises from 0")                   \
    X(beta_1, "beta-1", "X", "Adam's decay rate of the mean")                                                \
    X(beta_2, "beta-2", "X", "Adam's decay rate of the variance")                                            \
    X(epsilon, "epsilon", "X", "Adam's epsilon")                                                             \
    X(label_smoothing, "label-smoothing", "X", "Share of the target that is spread over all digits")         \
    X(ema_decay, "ema-decay", "X", "Validate and keep an average of the weights that decays so; 0: none")    \
    X(validation_split, "validation-split", "X",                                                             \
      "The last fraction of the training images, held out to validate on")                                   \
    X(patience, "patience", "N",                                                                             \
      "Stop after so many epochs without a lower validation loss, and keep the best; 0: never")              \
    X(train_limit, "train-limit", "N", "Use only the first N images; 0: all")                                \
    X(seed, "seed", "N", "The same seed gives the same weights")

/* The same of struct augmentation. */
#define AUGMENTATION_FIELDS(X)                                                                               \
    X(rotation, "rotation", "DEGREES", "Turn each image at random, so far either way")                       \
    X(shift, "shift", "PIXELS", "Move it, so far along each axis")                                           \
    X(scale, "scale", "X", "Stretch it, by a factor from 1 - X to 1 + X along each axis")                    \
    X(shear, "shear", "X", "Slant it, so much either way")                                                   \
    X(elastic, "elastic", "PIXELS", "Distort it smoothly, so far")                                           \
    X(thickness, "thickness", "X", "Make strokes thicker or thinner, by this share of a pixel")

/* NULL where an option was not given. */
struct training_options {
    const char *recipe;
#define MEMBER(field, option, value, text) const char *field;
    TRAINING_FIELDS(MEMBER)
    AUGMENTATION_FIELDS(MEMBER)
#undef MEMBER
};

/* Rows of the table. */
#define TRAINING_OPTION(field, option, value, text)                                                          \
    ,                                                                                                        \
    {                                                                                                        \
        option, OPTION_STRING, offsetof(struct settings, training.field), value, .help = text                \
    }
#define RECIPE_HELP                                                                                          \
    "A model and how to train it: reference (if none is given), quick, best or drawings; the options below " \
    "replace "                                                                                               \
    "parts of it"
#define TRAINING_OPTIONS                                                                                     \
    {"recipe", OPTION_STRING, offsetof(struct settings, training.recipe), "NAME",                            \
     .help = RECIPE_HELP} TRAINING_FIELDS(TRAINING_OPTION) AUGMENTATION_FIELDS(TRAINING_OPTION)

/* Whether any of them was given. */
bool training_options_given(const struct training_options *options);

/* {"epochs": 3, "augmentation": {"rotation": 5}}: what was given, as a job's `training`, unchecked; numbers where the text
 * is one. A new reference, NULL without memory. */
json_t *training_options_to_json(const struct training_options *options);

/* The recipe's model, and its configuration with what was given over it. Says what is wrong, all of it, and returns what
 * to exit with; 0 when all is well. */
MUST_CHECK int training_options_read(const char *command, const struct training_options *options,
                                     struct model_spec *ret_spec, struct train_config *ret_config);

/* An option that was given, the recipe's fields among them, and asks for something else than `kept` has: its name.
 * NULL when there is none. `asked` is what training_options_read made of the options. */
const char *training_options_conflict(const struct training_options *options,
                                      const struct train_config *asked, const struct train_config *kept);

#endif
