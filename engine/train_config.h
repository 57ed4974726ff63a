/* Checks of a training configuration that was not read from JSON. */
#ifndef ENGINE_TRAIN_CONFIG_H
#define ENGINE_TRAIN_CONFIG_H

#include "engine/engine.h"

/* Adds a problem for every field out of its range, NaN included. ERR_ARGUMENT if there is one. */
MUST_CHECK enum status train_config_check(const struct train_config *config, const char *pointer,
                                          struct problems *problems);

#endif
