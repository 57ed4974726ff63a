/* The public face of the digitd engine: convolutional networks on 28x28 images of digits.
 *
 * The engine trains, evaluates and runs models of one family: convolutions, pooling, dense layers and
 * dropout in sequence, ending in a softmax over 10 classes. It knows nothing of HTTP, SQL or pages.
 *
 * Rules that hold for every function here:
 * - Errors are values. A function that can fail returns `enum status` and fills `err`, which may be NULL.
 *   Outputs named `ret_` are untouched on failure. The engine never logs, exits or aborts.
 * - `_create`, `_load` and `_ref` give the caller one reference; `_free` and `_unref` take NULL.
 * - A model and a dataset are immutable and reference-counted: any thread may read them.
 *   Everything else belongs to one thread at a time.
 * - Pixels given as floats are 0..1, row by row, ink is high (white on black, as in MNIST).
 * - The same inputs give the same bits, whatever the number of threads (on one OpenBLAS core type). */
#ifndef DIGITD_ENGINE_H
#define DIGITD_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t; /* jansson's value: include <jansson.h> where one is made or read */

#define MUST_CHECK                 __attribute__((warn_unused_result))
#define PRINTF_LIKE(string, first) __attribute__((format(printf, string, first)))

#define IMAGE_SIDE   28
#define IMAGE_PIXELS (IMAGE_SIDE * IMAGE_SIDE)
#define CLASSES      10

/* ---- Errors ---------------------------------------------------------------------------------- */

enum status {
    OK = 0,
    ERR_ARGUMENT,  /* a value outside its documented range */
    ERR_SHAPE,     /* layers or tensors that do not fit together */
    ERR_FORMAT,    /* a file or text that is not what it should be */
    ERR_NOT_FOUND, /* no file or dataset of that name */
    ERR_IO,        /* the operating system refused to read or write */
    ERR_MEMORY,    /* no memory, or more than the configured limit */
    ERR_NO_INK,    /* a drawing on which nothing was drawn */
    ERR_DIVERGED,  /* loss or gradients became NaN or infinite */
    ERR_FULL,      /* no space left to write */
    ERR_CHANGED,   /* data that is not what the work began with */
    ERR_NUMERICS,  /* the processor's matrix products are wrong (gemm_self_check) */
};

/* What failed, in words for a user. `pointer` is a JSON pointer (RFC 6901) to the field at fault, or "". */
struct error {
    enum status code;
    char message[320];
    char pointer[96];
};

/* Everything that is wrong with one request or file: as many as fit are kept, all are counted. */
#define PROBLEMS_KEPT 16
struct problems {
    size_t count;
    struct error items[PROBLEMS_KEPT];
};

/* Fills `err` (NULL is allowed) and returns `code`, so that `return error_set(…)` reads well. */
enum status error_set(struct error *err, enum status code, const char *format, ...) PRINTF_LIKE(3, 4);

/* The same for a failed system call: appends strerror(errno); ERR_NOT_FOUND for ENOENT,
 * ERR_MEMORY for ENOMEM, ERR_FULL for ENOSPC, EDQUOT and EFBIG, ERR_IO otherwise. */
enum status error_set_errno(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Adds one problem of kind `code` at `pointer`. */
void problems_add(struct problems *problems, enum status code, const char *pointer, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* The first problem, as the error to report where only one can be. OK when there is none. */
enum status problems_first(const struct problems *problems, struct error *err);

/* ---- Models: what they are made of ------------------------------------------------------------ */

enum layer_kind { LAYER_CONV2D, LAYER_MAX_POOL2D, LAYER_FLATTEN, LAYER_DROPOUT, LAYER_DENSE };
enum activation {
    ACTIVATION_LINEAR,
    ACTIVATION_RELU,
    ACTIVATION_SIGMOID,
    ACTIVATION_TANH,
    ACTIVATION_SOFTMAX
};
enum padding { PADDING_VALID, PADDING_SAME };

/* One layer; names and meaning are Keras's. Fields that a kind does not use are zero. */
struct layer_spec {
    enum layer_kind kind;
    int filters;     /* conv2d: output channels, 1..512 */
    int kernel_size; /* conv2d: side of the square kernel, 1..7; stride is 1 */
    enum padding padding;
    int pool_size;              /* max_pool2d: side and stride, 2..4 */
    int units;                  /* dense: 1..4096 */
    float rate;                 /* dropout: 0 <= rate < 1 */
    enum activation activation; /* conv2d, dense */
};

#define MODEL_MAX_LAYERS 32
struct model_spec {
    size_t count;
    struct layer_spec layers[MODEL_MAX_LAYERS];
};

struct shape {
    int height, width, channels; /* a vector of n is 1 x 1 x n */
};

/* A layer after shape inference. */
struct layer_info {
    char name[32]; /* as Keras numbers them: conv2d, conv2d_1, max_pooling2d, …, dense_1 */
    struct shape input, output;
    size_t weights, biases; /* trainable parameters */
    double multiply_adds;   /* of the forward pass of one image, by direct convolution */
};

/* A spec with every shape known. A plain value. */
struct model_plan {
    struct model_spec spec;
    struct layer_info layers[MODEL_MAX_LAYERS];
    size_t parameters;
    double multiply_adds;
};

/* Infers all shapes from a 28x28x1 input. Every problem is added to `problems` with a pointer of the form
 * <pointer>/layers/<index>[/field]. ERR_SHAPE: a layer shrinks its input below 1x1 (named, with shape), or the
 * last layer is not dense 10 with softmax. ERR_ARGUMENT: a field is out of range. */
MUST_CHECK enum status model_plan_create(const struct model_spec *spec, const char *pointer,
                                         struct model_plan *ret_plan, struct problems *problems);

/* Reads {"preset": name} | {"layers": [...]} | {"blocks": {...}}; unknown fields are problems. Shapes are
 * not checked here. */
MUST_CHECK enum status model_spec_from_json(const struct json_t *json, const char *pointer,
                                            struct model_spec *ret_spec, struct problems *problems);

/* {"layers": [...]}, a new reference; NULL without memory. Reading it again gives an equal spec. */
struct json_t *model_spec_to_json(const struct model_spec *spec);

/* The spec of a preset by name ("reference", …); ERR_NOT_FOUND names those that exist. */
MUST_CHECK enum status model_spec_preset(const char *name, struct model_spec *ret_spec, struct error *err);

/* Names by index, NULL past the end. */
const char *model_preset_name(size_t index);
const char *layer_kind_name(enum layer_kind kind);
const char *activation_name(enum activation activation);

/* ---- Training configuration ------------------------------------------------------------------- */

/* How the learning rate moves over a run's updates, after a linear warm-up from 0. */
enum schedule {
    SCHEDULE_CONSTANT,
    SCHEDULE_COSINE, /* down to 0 at the last update (Loshchilov and Hutter, 2017) */
};

/* Ranges of random changes to each image each time it is trained on; 0 leaves a change out. */
struct augmentation {
    double rotation;  /* degrees either way, 0..45 */
    double shift;     /* pixels either way along each axis, 0..8 */
    double scale;     /* factor 1 - scale .. 1 + scale along each axis, 0..0.5 */
    double shear;     /* slant either way, 0..0.5 */
    double elastic;   /* pixels of a smooth random displacement, 0..4 */
    double thickness; /* share of a pixel by which strokes are dilated or eroded, 0..1 */
};

struct train_config {
    int epochs;           /* 1..1000 */
    int batch_size;       /* 1..1024; the last batch of an epoch may be smaller */
    double learning_rate; /* 0 < rate <= 10; the largest of the schedule */
    enum schedule schedule;
    double warmup;           /* share of all updates over which the rate rises, 0 <= warmup < 1 */
    double beta_1, beta_2;   /* Adam's decay rates, 0 <= beta < 1 */
    double epsilon;          /* Adam's, 0 < epsilon <= 1 */
    double label_smoothing;  /* share of the target spread over all classes, 0 <= share < 1 */
    double ema_decay;        /* of the average of weights that is validated and kept; 0: no average */
    double validation_split; /* the LAST fraction of the training set is held out; 0 <= split <= 0.9 */
    int patience; /* stop after so many epochs without a lower validation loss and keep the best epoch's
                                weights; 0: never, and keep the last */
    int64_t train_limit; /* use only the first so many images of the training set; 0: all */
    uint64_t seed;       /* 0..2^53-1, so that JavaScript can say it too */
    struct augmentation augmentation;
};

/* The tutorial's recipe: 10 epochs, batch 64, Adam with rate 1e-3, last 10 % for validation, seed 1, and none of what the
 * tutorial does not have. */
struct train_config train_config_default(void);

/* Reads a JSON object over `ret_config`'s present values; absent fields keep theirs, unknown fields, wrong
 * types and values out of range are problems. */
MUST_CHECK enum status train_config_from_json(const struct json_t *json, const char *pointer,
                                              struct train_config *ret_config, struct problems *problems);

/* How many images of a training set of `count` are trained on, and how many of those behind them validate. */
struct train_split {
    size_t train, validation;
};
struct train_split train_split_of(const struct train_config *config, size_t count);

/* Every field; a new reference, NULL without memory. */
struct json_t *train_config_to_json(const struct train_config *config);

/* A model and how to train it, under a name: "reference" (the tutorial's), "quick" (the soonest done), "best".
 * ERR_NOT_FOUND names those that exist. */
MUST_CHECK enum status recipe_find(const char *name, struct model_spec *ret_spec,
                                   struct train_config *ret_config, struct error *err);

/* Names by index, and a line about each; NULL past the end. */
const char *recipe_name(size_t index);
const char *recipe_description(size_t index);

/* What training sees of an image: variant number `index` of epoch `epoch`. */
void augment_preview(const struct augmentation *augmentation, uint64_t seed, unsigned epoch, uint64_t index,
                     const uint8_t image[IMAGE_PIXELS], uint8_t ret_image[IMAGE_PIXELS]);

/* ---- Datasets ---------------------------------------------------------------------------------- */

enum split { SPLIT_TRAIN, SPLIT_TEST };

struct dataset; /* images and labels of one split, in memory, immutable */

/* Loads folder/{train,t10k}-{images-idx3,labels-idx1}-ubyte, each plain or with .gz appended.
 * Errors name the file, the offset and what was expected there. ERR_NOT_FOUND: no such file. ERR_FORMAT: wrong
 * magic, size, truncated, trailing bytes, a label above 9, counts that differ. */
MUST_CHECK enum status dataset_load(const char *folder, enum split split, struct dataset **ret_dataset,
                                    struct error *err);

/* A file in memory, and what to call it in messages. */
struct idx_bytes {
    const char *name;
    const void *data;
    size_t size;
};

/* The same of a pair of files in memory, each plain or gzipped, with up to `count_max` images: no more is ever unpacked. The
 * pointer of an ERR_FORMAT is "/" with the name of the one that is wrong. */
MUST_CHECK enum status dataset_read(const struct idx_bytes *images, const struct idx_bytes *labels,
                                    size_t count_max, struct dataset **ret_dataset, struct error *err);

/* A dataset of copies of `count` images (28x28 bytes each, ink high) and labels 0..9. */
MUST_CHECK enum status dataset_create(const uint8_t *images, const uint8_t *labels, size_t count,
                                      struct dataset **ret_dataset, struct error *err);

struct dataset *dataset_ref(struct dataset *dataset);
void dataset_unref(struct dataset *dataset);
size_t dataset_count(const struct dataset *dataset);
/* 784 bytes; those of the next image follow. */
const uint8_t *dataset_image(const struct dataset *dataset, size_t index);
const uint8_t *dataset_labels(const struct dataset *dataset); /* a byte an image, 0..9 */
int dataset_label(const struct dataset *dataset, size_t index);

/* How a run with `config` divides the dataset: train_split_of, unless it is a mix. */
struct train_split dataset_split(const struct dataset *dataset, const struct train_config *config);

#define MIX_PARTS_MAX  8
#define MIX_REPEAT_MAX 1000
#define MIX_IMAGES_MAX 1000000 /* with repetitions: 785 MB */

/* A training set that is part of another. */
struct mix_part {
    struct dataset *data; /* borrowed; only dataset_mix looks at it */
    size_t count;         /* its images */
    int repeat;           /* 1..MIX_REPEAT_MAX: so often an epoch sees each */
};

/* Of 1..MIX_PARTS_MAX parts. Each is divided as train_split_of says, so that of each the last images validate, and none of
 * those is trained on; then the others are repeated. Of all together train_limit are trained on. */
struct train_split mix_split_of(const struct train_config *config, const struct mix_part *parts,
                                size_t count);

/* A training set of the parts for runs with `config`: the images to train on, of each part as evenly as they go, then those
 * that validate. The same inputs give the same order. ERR_ARGUMENT: no images, or more than MIX_IMAGES_MAX. */
MUST_CHECK enum status dataset_mix(const struct mix_part *parts, size_t count,
                                   const struct train_config *config, struct dataset **ret_dataset,
                                   struct error *err);

/* SHA-256 over images then labels, 64 hex digits; valid as long as the dataset is. */
const char *dataset_digest(const struct dataset *dataset);

/* ---- Threads ------------------------------------------------------------------------------------ */

struct thread_team; /* worker threads that share out the fixed shards of a computation */

/* `threads` >= 1, the calling thread counts as one. With `idle_priority` the workers run under SCHED_IDLE, and so
 * should the thread that calls (thread_lower_priority), so that predictions are served first. */
MUST_CHECK enum status thread_team_create(int threads, bool idle_priority, struct thread_team **ret_team,
                                          struct error *err);
void thread_team_free(struct thread_team *team);
int thread_team_size(const struct thread_team *team);

/* Puts the calling thread under SCHED_IDLE; does nothing where the system refuses. */
void thread_lower_priority(void);

/* Processors that this process may run on (affinity and cgroup quota counted), at least 1. */
int cpu_count(void);

/* ---- Models: weights ---------------------------------------------------------------------------- */

struct model; /* a plan and its weights, immutable once made, reference-counted */

/* Glorot-uniform weights and zero biases, drawn from `seed`. */
MUST_CHECK enum status model_create(const struct model_plan *plan, uint64_t seed, struct model **ret_model,
                                    struct error *err);

/* Reads a safetensors file that model_save wrote, or one of the same tensor names and shapes whose metadata has
 * `spec`. Everything is validated before anything is allocated. ERR_FORMAT, ERR_SHAPE, ERR_NOT_FOUND, ERR_IO. */
MUST_CHECK enum status model_load(const char *path, struct model **ret_model, struct error *err);

/* The same; with a plan that is not NULL the file may be from elsewhere, without a `spec` in its metadata. One that has
 * a spec must have it of the same layers. ERR_SHAPE, ERR_FORMAT: the tensors are not those of the plan. Weights that are
 * not finite: ERR_FORMAT. */
MUST_CHECK enum status model_load_as(const char *path, const struct model_plan *plan,
                                     struct model **ret_model, struct error *err);

/* The strings in a safetensors file's metadata, an object, a new reference. */
MUST_CHECK enum status model_metadata(const char *path, struct json_t **ret_metadata, struct error *err);

/* Writes safetensors to a temporary file beside `path`, syncs, renames, syncs the folder: `path` holds either the
 * old bytes or all of the new. `metadata` (an object of string values, or NULL) is added to the model's own
 * `spec` and `core_type`. */
MUST_CHECK enum status model_save(const struct model *model, const struct json_t *metadata, const char *path,
                                  struct error *err);

/* The model as an ONNX file (IR 8, opset 17) in memory, free() it: input `image` float [N,1,28,28] with pixels 0..1, output
 * `probabilities` float [N,10]. Its metadata hold `spec` and `weights_digest`. ERR_MEMORY. ERR_SHAPE: more than the
 * 2 GiB that such a file can hold. */
MUST_CHECK enum status model_to_onnx(const struct model *model, uint8_t **ret_bytes, size_t *ret_size,
                                     struct error *err);

/* The same in a file, written as model_save does. */
MUST_CHECK enum status model_export_onnx(const struct model *model, const char *path, struct error *err);

/* What logits are divided by before the softmax, so that confidence can be trusted: fitted to the validation images, saved
 * and exported with the model; 1 for a model without. */
double model_temperature(const struct model *model);
#define TEMPERATURE_MIN 0.05
#define TEMPERATURE_MAX 20.0

struct model *model_ref(struct model *model);
void model_unref(struct model *model);
const struct model_plan *model_plan_of(const struct model *model);

/* SHA-256 over all parameters in order, 64 hex digits, written to `ret_digest`. */
void model_digest(const struct model *model, char ret_digest[65]);

/* ---- Training ----------------------------------------------------------------------------------- */

/* Accuracy is 0..1, loss the mean cross-entropy in nats. */
struct epoch_metrics {
    int epoch; /* 1-based */
    double train_loss, train_accuracy;
    double validation_loss, validation_accuracy; /* NaN without a validation split */
    double seconds;                              /* of wall clock, over all processes that worked on it */
};

struct train_progress {
    int epoch, epochs;            /* 1-based: the epoch under way, or the last one when done */
    int64_t step, steps;          /* of this epoch; step counts the finished ones */
    int64_t images, images_total; /* trained on so far, and in the whole run */
    bool stopped_early;           /* patience ended the run before its last epoch */
    int best_epoch;               /* with patience: the one that validated best so far; else 0 */
    bool validating;              /* between the last step of an epoch and its end */
    double step_loss;             /* of the last step; NaN before the first */
};

enum trainer_event {
    TRAINER_STEP,       /* one batch was trained on */
    TRAINER_VALIDATION, /* a piece of the validation set was done */
    TRAINER_EPOCH,      /* an epoch is complete: trainer_last_epoch has its metrics */
    TRAINER_DONE,       /* nothing is left to do */
};

struct trainer; /* a training run between two steps */

/* Trains the planned model on `data`. Pixels are taken as byte/255. The trainer borrows `team`, which must outlive
 * it, and takes a reference to `data`. ERR_ARGUMENT: config out of range or no image left to train on.
 * ERR_MEMORY: see trainer_memory. */
MUST_CHECK enum status trainer_create(const struct model_plan *plan, const struct train_config *config,
                                      struct dataset *data, struct thread_team *team,
                                      struct trainer **ret_trainer, struct error *err);

/* The same, beginning with the weights of `model` (fine-tuning), whose plan it takes. */
MUST_CHECK enum status trainer_create_from(const struct model *model, const struct train_config *config,
                                           struct dataset *data, struct thread_team *team,
                                           struct trainer **ret_trainer, struct error *err);

/* Continues a run from trainer_save's file, to the same bytes as a run never interrupted. ERR_FORMAT: no such
 * checkpoint. ERR_CHANGED: it was made from another dataset (by digest). */
MUST_CHECK enum status trainer_load(const char *path, struct dataset *data, struct thread_team *team,
                                    struct trainer **ret_trainer, struct error *err);
void trainer_free(struct trainer *trainer);

/* Does the next piece of work, some milliseconds long, and says what it was. ERR_DIVERGED: loss or a gradient is
 * not finite; the weights are those before the step. */
MUST_CHECK enum status trainer_advance(struct trainer *trainer, enum trainer_event *ret_event,
                                       struct error *err);

struct train_progress trainer_progress(const struct trainer *trainer);
struct epoch_metrics trainer_last_epoch(const struct trainer *trainer);
const struct train_config *trainer_config(const struct trainer *trainer);

/* A checkpoint: weights, Adam's moments and the place in the run. Written as model_save does. */
MUST_CHECK enum status trainer_save(const struct trainer *trainer, const char *path, struct error *err);

/* A copy of what the run would keep now, as a model of its own: the present weights, their average where there is one,
 * or the best epoch's where a run with patience has ended. */
MUST_CHECK enum status trainer_snapshot(const struct trainer *trainer, struct model **ret_model,
                                        struct error *err);

/* Seconds of work, summed over the team, that training has spent on a layer (a pool behind a convolution counts as part
 * of it), or on what belongs to none: then `backward` is 0. */
struct train_share {
    char name[32];
    double forward, backward;
};
#define TRAIN_SHARES_MAX (MODEL_MAX_LAYERS + 4)

/* From now on the trainer keeps account of them. Costs less than 1 % of the speed. Call it once. */
MUST_CHECK enum status trainer_measure(struct trainer *trainer, struct error *err);

/* The shares so far; returns their number. */
size_t trainer_shares(const struct trainer *trainer, struct train_share ret_shares[TRAIN_SHARES_MAX]);

/* Bytes that trainer_create will allocate for such a run with `threads` threads, dataset not counted;
 * SIZE_MAX if that overflows. */
size_t trainer_memory(const struct model_plan *plan, const struct train_config *config, int threads);

/* ---- Evaluation --------------------------------------------------------------------------------- */

struct evaluation {
    size_t count;
    double loss, accuracy;
    uint32_t confusion_matrix[CLASSES][CLASSES]; /* [true label][predicted] */
};

struct evaluator; /* an evaluation under way */

/* Evaluates `model` on images first..first+count-1. Takes references to both, borrows `team`. */
MUST_CHECK enum status evaluator_create(struct model *model, struct dataset *data, size_t first, size_t count,
                                        struct thread_team *team, struct evaluator **ret_evaluator,
                                        struct error *err);
void evaluator_free(struct evaluator *evaluator);

/* Does a piece of some milliseconds; false when all are done. */
bool evaluator_advance(struct evaluator *evaluator);

/* Of the images done so far. */
struct evaluation evaluator_result(const struct evaluator *evaluator);

#define CALIBRATION_BINS 15 /* of confidence, from 0 to 1 */
struct calibration_bin {
    size_t count;
    double confidence, accuracy; /* means; 0 without images */
};

/* How well confidence tells accuracy (Guo et al., 2017). */
struct calibration {
    double temperature;           /* the model's */
    double ece, ece_uncalibrated; /* expected calibration error 0..1, with it and without */
    struct calibration_bin bins[CALIBRATION_BINS];
};

/* Of the images done so far, with the model's temperature. */
struct calibration evaluator_calibration(const struct evaluator *evaluator);

/* What became of one image. */
struct evaluated_image {
    int label, predicted;
    float probabilities[CLASSES]; /* at the model's temperature */
};

/* The image `index` of those done so far. */
struct evaluated_image evaluator_image(const struct evaluator *evaluator, size_t index);

/* The temperature that fits them best; 1 without images. */
double evaluator_fit_temperature(const struct evaluator *evaluator);

/* ---- Prediction --------------------------------------------------------------------------------- */

struct predictor; /* a model made ready to run, with a workspace: one thread at a time */

/* `max_batch` 1..1024 images at once. Takes a reference to `model`. */
MUST_CHECK enum status predictor_create(struct model *model, size_t max_batch,
                                        struct predictor **ret_predictor, struct error *err);
void predictor_free(struct predictor *predictor);

/* images [count][28][28] -> probabilities [count][10], at the model's temperature; 1 <= count <= max_batch. */
void predictor_run(struct predictor *predictor, const float *images, size_t count, float *probabilities);

/* What a layer made of one image. Flatten and dropout are left out; of the last layer it is the logits. */
struct feature_maps {
    size_t layer; /* in the plan */
    struct shape shape;
    float *values; /* [channels][height][width] */
};

/* Why a model answers as it does. */
struct explanation {
    int digit;
    float logits[CLASSES], probabilities[CLASSES];
    float gradient[IMAGE_PIXELS]; /* of the digit's logit with respect to the image */
    float saliency
        [IMAGE_PIXELS]; /* by integrated gradients: their sum is the logit less that of a black image */
    size_t count;
    struct feature_maps layers[MODEL_MAX_LAYERS];
};

/* Takes 33 forward and backward passes. image [28][28], 0..1. ERR_MEMORY. Any thread. */
MUST_CHECK enum status explanation_create(const struct model *model, const float image[IMAGE_PIXELS],
                                          struct explanation **ret_explanation, struct error *err);
void explanation_free(struct explanation *explanation);

/* Whether the confidence is so low that what was drawn may be no digit: most digits are above, scribbles and letters often
 * are not. NaN is uncertain. */
#define CONFIDENCE_CERTAIN 0.95
static inline bool prediction_is_uncertain(float confidence)
{
    return !((double)confidence >= CONFIDENCE_CERTAIN);
}

/* ---- Drawings ----------------------------------------------------------------------------------- */

/* How a picture becomes the 28x28 that the network sees. */
enum drawing_mode {
    DRAWING_AUTO,    /* a 28x28 picture that is already like MNIST passes unchanged; any other is a drawing */
    DRAWING_RAW,     /* 28x28 only: grey levels as they are */
    DRAWING_DRAWING, /* polarity, ink box, 20-pixel box, centre of mass */
};

/* Parses "auto", "raw", "drawing"; false for anything else. */
bool drawing_mode_from_name(const char *name, enum drawing_mode *ret_mode);
const char *drawing_mode_name(enum drawing_mode mode);

/* rgba [height][width][4], 8 bits a channel, alpha not premultiplied; sides 1..1024. ERR_NO_INK: nothing is drawn
 * on it. ERR_SHAPE: `raw` with another size than 28x28. */
MUST_CHECK enum status drawing_from_pixels(const uint8_t *rgba, int width, int height, enum drawing_mode mode,
                                           uint8_t ret_image[IMAGE_PIXELS], struct error *err);

struct stroke_point {
    float x, y; /* any unit, y downwards */
    bool starts_stroke;
};

/* Draws strokes with a round pen, scaled and centred as MNIST's digits are. ERR_NO_INK: no point.
 * ERR_ARGUMENT: a coordinate that is not finite. */
MUST_CHECK enum status drawing_from_strokes(const struct stroke_point *points, size_t count,
                                            uint8_t ret_image[IMAGE_PIXELS], struct error *err);

/* ---- The machine -------------------------------------------------------------------------------- */

/* Sets OpenBLAS to one thread a caller and compares its products, and those of the engine's own kernels, with a plain
 * loop. Call once, before any thread. ERR_NUMERICS: they differ on this processor with this core type. */
MUST_CHECK enum status engine_init(struct error *err);

/* OpenBLAS's core type in use ("SkylakeX", "Zen", "Haswell", …) and its version. */
const char *engine_core_type(void);
const char *engine_blas_version(void);

/* That of the engine's own kernels: "avx512", "avx2" or "baseline". The widest that the processor has, unless
 * OPENBLAS_CORETYPE asks for a core type with less. */
const char *engine_instruction_set(void);

#endif
