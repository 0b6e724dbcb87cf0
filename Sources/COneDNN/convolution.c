// SPDX-License-Identifier: Apache-2.0
// Convolutions of one to three spatial dimensions, forward and both gradients.

#include "primitive.h"

#ifdef CONSILIUM_ONEDNN

/// The library's view of a shape. `weights` leaves the layout to the library, `plain` is row-major float32.
struct operands {
    cdnn_desc x, y, weights, plain, bias;
    struct cdnn_window window;
};

static bool is_valid(const struct consilium_dnn_convolution *shape) {
    bool is_good = shape->rank >= 1 && shape->rank <= 3 && shape->n >= 1 && shape->groups >= 1 &&
                   shape->in_channels >= 1 && shape->out_channels >= 1 &&
                   shape->in_channels % shape->groups == 0 && shape->out_channels % shape->groups == 0;
    for (int i = 0; i < shape->rank && is_good; i++)
        is_good = shape->in[i] >= 1 && shape->out[i] >= 1 && shape->kernel[i] >= 1 && shape->stride[i] >= 1 &&
                  shape->dilation[i] >= 1;
    return is_good;
}

static struct operands operands_of(const struct consilium_dnn_convolution *shape, dnnl_data_type_t x_type,
                                   dnnl_data_type_t y_type, dnnl_data_type_t weight_type) {
    static const dnnl_format_tag_t row_major[] = {dnnl_abc, dnnl_abcd, dnnl_abcde, dnnl_abcdef};
    struct operands result = {0};
    const int rank = shape->rank, grouped = shape->groups > 1;
    dnnl_dims_t x = {shape->n, shape->in_channels}, y = {shape->n, shape->out_channels}, w = {0};
    if (grouped) w[0] = shape->groups;
    w[grouped] = shape->out_channels / shape->groups;
    w[grouped + 1] = shape->in_channels / shape->groups;
    for (int i = 0; i < rank; i++) {
        x[2 + i] = shape->in[i];
        y[2 + i] = shape->out[i];
        w[grouped + 2 + i] = shape->kernel[i];
        result.window.stride[i] = shape->stride[i];
        result.window.dilation[i] = shape->dilation[i] - 1;
        result.window.before[i] = shape->pad_before[i];
        result.window.after[i] = shape->pad_after[i];
    }
    result.x = cdnn_desc_with_tag(2 + rank, x, x_type, cdnn_activation_tag(shape->source_layout, rank));
    result.y = cdnn_desc_with_tag(2 + rank, y, y_type, cdnn_activation_tag(shape->target_layout, rank));
    result.weights = cdnn_desc_with_tag(2 + rank + grouped, w, weight_type, dnnl_format_tag_any);
    result.plain = cdnn_desc_with_tag(2 + rank + grouped, w, dnnl_f32, row_major[rank - 1 + grouped]);
    const dnnl_dims_t bias = {shape->out_channels};
    result.bias = cdnn_desc_with_tag(1, bias, dnnl_f32, dnnl_a);
    return result;
}

static void free_operands(struct operands operands) {
    cdnn_desc_free(operands.x);
    cdnn_desc_free(operands.y);
    cdnn_desc_free(operands.weights);
    cdnn_desc_free(operands.plain);
    cdnn_desc_free(operands.bias);
}

static dnnl_alg_kind_t algorithm_of(const struct consilium_dnn_convolution *shape) {
    return shape->winograd ? dnnl_convolution_winograd : dnnl_convolution_direct;
}

/// Describes one pass; the backward passes make the forward description that they need as a hint first.
static dnnl_primitive_desc_t describe(const struct consilium_dnn_convolution *shape, dnnl_prop_kind_t pass,
                                      const struct operands *operands) {
    const bool is_forward = pass == dnnl_forward_training;
    const bool has_bias = shape->has_bias && pass != dnnl_backward_data;
    if (has_bias && !operands->bias) return NULL;
    dnnl_primitive_attr_t attributes =
        cdnn_attributes(false, is_forward ? shape->activation : CONSILIUM_DNN_LINEAR);
    dnnl_primitive_desc_t hint = NULL;
    if (!is_forward) {
        const dnnl_data_type_t type = cdnn_type(shape->type);
        struct operands forward = operands_of(shape, type, type, type);
        hint = cdnn_describe_convolution(dnnl_forward_training, algorithm_of(shape), forward.x, forward.weights, NULL,
                                         forward.y, &forward.window, NULL, attributes);
        free_operands(forward);
    }
    dnnl_primitive_desc_t result = cdnn_describe_convolution(
        pass, algorithm_of(shape), operands->x, operands->weights, has_bias ? operands->bias : NULL, operands->y,
        &operands->window, hint, attributes);
    if (hint) dnnl_primitive_desc_destroy(hint);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    return result;
}

static consilium_dnn_primitive *make(const struct consilium_dnn_convolution *shape, dnnl_prop_kind_t pass,
                                     const struct cdnn_buffer *buffers, int count) {
    if (!cdnn_engine() || !is_valid(shape)) return NULL;
    const bool is_gradient = pass == dnnl_backward_weights;
    const dnnl_data_type_t type = cdnn_type(shape->type), result_type = cdnn_type(shape->result_type);
    // Weight gradients are summed over workers and steps: float32 also where the activations are bfloat16.
    struct operands operands =
        operands_of(shape, pass == dnnl_backward_data ? result_type : type,
                    pass == dnnl_forward_training ? result_type : type, is_gradient ? dnnl_f32 : type);
    consilium_dnn_primitive *result = cdnn_assemble(describe(shape, pass, &operands), buffers, count);
    result = cdnn_with_packing(result, is_gradient ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, operands.plain);
    free_operands(operands);
    return result;
}

consilium_dnn_primitive *consilium_dnn_make_convolution_forward(const struct consilium_dnn_convolution *shape) {
    static const struct cdnn_buffer buffers[] = {
        {DNNL_ARG_SRC, true}, {DNNL_ARG_WEIGHTS, true}, {DNNL_ARG_BIAS, true}, {DNNL_ARG_DST, false}};
    return make(shape, dnnl_forward_training, buffers, 4);
}

consilium_dnn_primitive *consilium_dnn_make_convolution_backward_data(const struct consilium_dnn_convolution *shape) {
    static const struct cdnn_buffer buffers[] = {
        {DNNL_ARG_DIFF_DST, true}, {DNNL_ARG_WEIGHTS, true}, {DNNL_ARG_DIFF_SRC, false}};
    return make(shape, dnnl_backward_data, buffers, 3);
}

consilium_dnn_primitive *
consilium_dnn_make_convolution_backward_weights(const struct consilium_dnn_convolution *shape) {
    static const struct cdnn_buffer buffers[] = {{DNNL_ARG_SRC, true},
                                                 {DNNL_ARG_DIFF_DST, true},
                                                 {DNNL_ARG_DIFF_WEIGHTS, false},
                                                 {DNNL_ARG_DIFF_BIAS, false}};
    return make(shape, dnnl_backward_weights, buffers, 4);
}

#endif
