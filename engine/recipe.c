#include "engine/engine.h"

#include <stdio.h>
#include <string.h>

/* What of the tutorial's recipe another one changes. A new recipe is a name and a function here. */
static void keep(struct train_config *config)
{
    (void)config;
}

/* Three epochs with a rate that falls to nothing, on mildly moved images, and the average of the weights: most of what long
 * runs reach, in a minute. */
static void make_quick(struct train_config *config)
{
    config->epochs = 3;
    config->learning_rate = 2e-3;
    config->schedule = SCHEDULE_COSINE;
    config->warmup = 0.1;
    config->ema_decay = 0.99;
    config->augmentation = (struct augmentation){.rotation = 7, .shift = 1, .scale = 0.07, .shear = 0.07};
}

/* Many epochs on moved images, and the average of the weights. What moves images further costs nothing on MNIST, but on
 * clothes a point: there it hides what tells a shirt from a coat. */
static void make_best(struct train_config *config)
{
    config->epochs = 40;
    config->batch_size = 128;
    config->learning_rate = 2e-3;
    config->schedule = SCHEDULE_COSINE;
    config->warmup = 0.1;
    config->ema_decay = 0.999;
    config->validation_split = 0.02;
    config->augmentation =
        (struct augmentation){.rotation = 7, .shift = 1.5, .scale = 0.08, .shear = 0.08, .elastic = 0.5};
}

/* The same on images that vary as much as hands, pens and scanners do. */
static void make_drawings(struct train_config *config)
{
    make_best(config);
    config->epochs = 30;
    config->augmentation = (struct augmentation){
        .rotation = 12, .shift = 2.5, .scale = 0.12, .shear = 0.15, .elastic = 1, .thickness = 0.3};
}

static const struct {
    const char *name, *preset;
    void (*change)(struct train_config *config);
    const char *description;
} recipes[] = {
    {"reference", "reference", keep, "Keras's tutorial: ten epochs at one learning rate, and nothing else"},
    {"quick", "reference", make_quick,
     "Three epochs at a falling rate on mildly moved images, weights averaged: the soonest done"},
    {"best", "reference_dropout", make_best,
     "Forty epochs at a falling rate on mildly moved images, dropout, weights averaged: the most accurate on "
     "test images"},
    {"drawings", "reference_dropout", make_drawings,
     "Thirty epochs on boldly varied images, else as best: reads digits that look least like the test "
     "images"},
};
#define RECIPES (sizeof recipes / sizeof *recipes)

const char *recipe_name(size_t index)
{
    return index < RECIPES ? recipes[index].name : NULL;
}

const char *recipe_description(size_t index)
{
    return index < RECIPES ? recipes[index].description : NULL;
}

enum status recipe_find(const char *name, struct model_spec *ret_spec, struct train_config *ret_config,
                        struct error *err)
{
    char known[128] = "";
    size_t used = 0;
    for (size_t i = 0; i < RECIPES; i++) {
        if (strcmp(recipes[i].name, name) == 0) {
            struct train_config config = train_config_default();
            recipes[i].change(&config);
            *ret_config = config;
            return model_spec_preset(recipes[i].preset, ret_spec, err);
        }
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", recipes[i].name);
    }
    return error_set(err, ERR_NOT_FOUND, "no recipe is called \"%.40s\"; there are: %s", name, known);
}
