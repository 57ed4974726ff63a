#include "server/model_choice.h"

#include "server/app.h"
#include "server/predict.h"
#include "server/problem.h"
#include "server/registry.h"

struct served_model *model_choice_find(struct app *app, const struct model_choice *choice)
{
    if (choice->job)
        return predict_model_live(app->predictions, choice->job);
    if (choice->alias)
        return predict_model_alias(app->predictions, choice->name, choice->alias);
    if (choice->version)
        return predict_model_cached(app->predictions, choice->name, (int)choice->version);
    return predict_model_default(app->predictions, choice->name);
}

bool model_choice_may_be_stored(const struct model_choice *choice)
{
    return choice->version != 0;
}

static void reply_no_model(struct request *request, const struct model_choice *choice)
{
    if (choice->job)
        reply_problem(request, PROBLEM_NOT_FOUND, "Job %s has no model in training.", choice->job);
    else if (choice->alias)
        reply_problem(request, PROBLEM_NOT_FOUND, "No version of \"%s\" has the alias \"%s\".", choice->name,
                      choice->alias);
    else if (choice->named)
        reply_problem(request, PROBLEM_NOT_FOUND, "No version of \"%s\" is in production.", choice->name);
    else
        reply_problem(
            request, PROBLEM_NO_MODEL,
            "There is no model to predict with yet: a training job gives one after its first epoch.");
}

/* A version from its file. */
static struct served_model *load_version(struct app *app, struct request *request,
                                         const struct model_choice *choice)
{
    struct model *model;
    struct served_model *served = NULL;
    struct error err;
    enum status status = registry_load(app->registry, choice->name, (int)choice->version, &model, &err);
    if (status == OK) {
        status =
            predict_model_keep(app->predictions, choice->name, (int)choice->version, model, &served, &err);
        model_unref(model);
    }
    if (status != OK)
        reply_error(request, &err);
    return served;
}

struct served_model *model_choice_load(struct app *app, struct request *request,
                                       const struct model_choice *choice)
{
    struct served_model *served = model_choice_find(app, choice);
    if (!served && model_choice_may_be_stored(choice))
        served = load_version(app, request, choice);
    else if (!served)
        reply_no_model(request, choice);
    return served;
}
