// SPDX-License-Identifier: Apache-2.0
// Max and average pooling, forward and backward.

#include "primitive.h"

#ifdef CONSILIUM_ONEDNN

struct operands {
    cdnn_desc x, y;
    struct cdnn_window window;
    dnnl_alg_kind_t algorithm;
};

static bool is_valid(const struct consilium_dnn_pooling *shape) {
    bool is_good = shape->rank >= 1 && shape->rank <= 3 && shape->n >= 1 && shape->channels >= 1;
    for (int i = 0; i < shape->rank && is_good; i++)
        is_good = shape->in[i] >= 1 && shape->out[i] >= 1 && shape->kernel[i] >= 1 && shape->stride[i] >= 1;
    return is_good;
}

static struct operands operands_of(const struct consilium_dnn_pooling *shape) {
    struct operands result = {0};
    dnnl_dims_t x = {shape->n, shape->channels}, y = {shape->n, shape->channels};
    for (int i = 0; i < shape->rank; i++) {
        x[2 + i] = shape->in[i];
        y[2 + i] = shape->out[i];
        result.window.kernel[i] = shape->kernel[i];
        result.window.stride[i] = shape->stride[i];
        result.window.before[i] = shape->pad_before[i];
        result.window.after[i] = shape->pad_after[i];
    }
    const dnnl_format_tag_t tag = cdnn_activation_tag(shape->layout, shape->rank);
    result.x = cdnn_desc_with_tag(2 + shape->rank, x, cdnn_type(shape->type), tag);
    result.y = cdnn_desc_with_tag(2 + shape->rank, y, cdnn_type(shape->type), tag);
    result.algorithm = shape->is_maximum       ? dnnl_pooling_max
                       : shape->counts_padding ? dnnl_pooling_avg_include_padding
                                               : dnnl_pooling_avg_exclude_padding;
    return result;
}

static consilium_dnn_primitive *make(const struct consilium_dnn_pooling *shape, bool is_backward,
                                     const struct cdnn_buffer *buffers) {
    if (!cdnn_engine() || !is_valid(shape)) return NULL;
    struct operands operands = operands_of(shape);
    dnnl_primitive_attr_t attributes = cdnn_attributes(false, CONSILIUM_DNN_LINEAR);
    const dnnl_prop_kind_t pass =
        is_backward || shape->is_training ? dnnl_forward_training : dnnl_forward_inference;
    dnnl_primitive_desc_t description = cdnn_describe_pooling(
        pass, operands.algorithm, operands.x, operands.y, &operands.window, NULL, attributes);
    if (is_backward) {
        dnnl_primitive_desc_t hint = description;
        description = cdnn_describe_pooling(dnnl_backward_data, operands.algorithm, operands.x, operands.y,
                                            &operands.window, hint, attributes);
        if (hint) dnnl_primitive_desc_destroy(hint);
    }
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    cdnn_desc_free(operands.x);
    cdnn_desc_free(operands.y);
    return cdnn_assemble(description, buffers, 3);
}

consilium_dnn_primitive *consilium_dnn_make_pooling_forward(const struct consilium_dnn_pooling *shape) {
    static const struct cdnn_buffer buffers[] = {
        {DNNL_ARG_SRC, true}, {DNNL_ARG_DST, false}, {DNNL_ARG_WORKSPACE, false}};
    return make(shape, false, buffers);
}

consilium_dnn_primitive *consilium_dnn_make_pooling_backward(const struct consilium_dnn_pooling *shape) {
    static const struct cdnn_buffer buffers[] = {
        {DNNL_ARG_DIFF_DST, true}, {DNNL_ARG_DIFF_SRC, false}, {DNNL_ARG_WORKSPACE, true}};
    return make(shape, true, buffers);
}

#endif
