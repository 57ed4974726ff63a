/* GET /api/v1/recipes */
#include <jansson.h>

#include "server/handlers.h"
#include "server/reply.h"

/* NULL without memory. `model` and `training` are what a job's request may hold. */
static json_t *recipe_to_json(size_t index)
{
    struct model_spec spec;
    struct model_plan plan;
    struct train_config config;
    struct problems problems = {0};
    if (recipe_find(recipe_name(index), &spec, &config, NULL) ||
        model_plan_create(&spec, "", &plan, &problems))
        return NULL;
    return json_pack("{s:s, s:s, s:I, s:I, s:o, s:o}", "name", recipe_name(index), "description",
                     recipe_description(index), "parameters", (json_int_t)plan.parameters, "multiply_adds",
                     (json_int_t)plan.multiply_adds, "model", model_spec_to_json(&spec), "training",
                     train_config_to_json(&config));
}

void handle_recipe_list(struct app *app, struct request *request)
{
    (void)app;
    json_t *data = json_array();
    for (size_t i = 0; recipe_name(i); i++)
        json_array_append_new(data, recipe_to_json(i));
    reply_json(request, 200, json_pack("{s:o, s:b}", "data", data, "has_more", 0));
}
