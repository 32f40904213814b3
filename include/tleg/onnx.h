/* A model as an ONNX file, for ONNX Runtime, OpenVINO, TensorRT and whatever else reads one. Not part of <tleg/tleg.h>.
 * EXPERIMENTAL: what this header declares may change in any version. */
#ifndef TLEG_ONNX_H
#define TLEG_ONNX_H

#include <tleg/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the model to `path`, as tleg_model_save does (whole or not at all), in opset 17. Input "images": f32 (batch, channels,
 * height, width), prepared as ever; the batch is dynamic. Outputs: "logits" f32 (batch, classes), where there is a
 * head, and "features" f32 (batch, what the head reads). The file's metadata are those of a saved model:
 * tleg.labels, tleg.mean, tleg.std, tleg.crop and so on, with the pairs of `options`. options->dtype: of weights and
 * arithmetic, 0 or TLEG_F32, or TLEG_F16 (inputs and outputs stay f32); a model of bf16 or f16 is widened. `options` may be
 * NULL; its depths and scores are written as tleg_model_save writes them. Errors: ARGUMENT, UNSUPPORTED (more than 2 GiB, which
 * protobuf does not hold; another dtype; a generator; a build without files), NUMERIC (a weight that F16 does not hold: the
 * text names it), NOT_FOUND (there is no such folder), IO, MEMORY, CANCELLED.
 *
 *     tleg_expander_expand(context, expander, 8, &model);
 *     tleg_model_export_onnx(context, model, "eight.onnx", NULL); */
TLEG_API tleg_status TLEG_CALL tleg_model_export_onnx(tleg_context *context, const tleg_model *model, const char *path,
                                                      const tleg_save_options *options);

#ifdef __cplusplus
}
#endif

#endif
