// SPDX-License-Identifier: Apache-2.0
// Matrix products with bias, accumulation and ReLU.

#include "primitive.h"

#ifdef CONSILIUM_ONEDNN

/// Replaces the strides of dimensions of extent 1, which address nothing but decide for the library whether a matrix is
/// row-major, transposed, or neither.
static void tidy(int64_t rows, int64_t columns, int64_t *row, int64_t *column) {
    if (columns == 1) *column = 1;
    if (rows == 1) *row = *column == 1 ? columns : 1;
}

/// A matrix, with a dimension in front for the batch when there is one; a matrix that the whole batch shares
/// (stride 0) has extent 1 there, over which the library broadcasts.
static cdnn_desc matrix(int64_t batch, int64_t rows, int64_t columns, int64_t each, int64_t row, int64_t column,
                        dnnl_data_type_t type) {
    tidy(rows, columns, &row, &column);
    if (batch == 1) {
        const dnnl_dims_t dims = {rows, columns}, strides = {row, column};
        return cdnn_desc_with_strides(2, dims, type, strides);
    }
    const bool is_shared = each == 0;
    const dnnl_dims_t dims = {is_shared ? 1 : batch, rows, columns};
    const dnnl_dims_t strides = {is_shared ? rows * columns : each, row, column};
    return cdnn_desc_with_strides(3, dims, type, strides);
}

static bool is_valid(const struct consilium_dnn_matmul *shape) {
    return shape->batch >= 1 && shape->m >= 1 && shape->n >= 1 && shape->k >= 1 &&
           (shape->batch == 1 || shape->c_batch != 0);
}

consilium_dnn_primitive *consilium_dnn_make_matmul(const struct consilium_dnn_matmul *shape) {
    if (!cdnn_engine() || !is_valid(shape)) return NULL;
    const int64_t batch = shape->batch, m = shape->m, k = shape->k, n = shape->n;
    const int rank = batch == 1 ? 2 : 3;
    cdnn_desc a = matrix(batch, m, k, shape->a_batch, shape->a_row, shape->a_column, cdnn_type(shape->a_type));
    cdnn_desc c = matrix(batch, m, n, shape->c_batch, shape->c_row, 1, cdnn_type(shape->c_type));
    // As the caller holds it: the operand itself, or the float32 matrix that is packed for it.
    cdnn_desc plain = matrix(batch, k, n, shape->w_batch, shape->w_row, shape->w_column,
                             shape->packs_w ? dnnl_f32 : cdnn_type(shape->w_type));
    cdnn_desc any = NULL, bias = NULL;
    if (shape->packs_w) {
        const dnnl_dims_t flat = {k, n}, deep = {shape->w_batch == 0 ? 1 : batch, k, n};
        any = cdnn_desc_with_tag(rank, rank == 2 ? flat : deep, cdnn_type(shape->w_type), dnnl_format_tag_any);
    }
    if (shape->has_bias) {
        const dnnl_dims_t flat = {1, n}, deep = {1, 1, n};
        bias = cdnn_desc_with_tag(rank, rank == 2 ? flat : deep, dnnl_f32, rank == 2 ? dnnl_ab : dnnl_abc);
    }
    dnnl_primitive_attr_t attributes = cdnn_attributes(shape->accumulate, shape->activation);
    dnnl_primitive_desc_t description = NULL;
    if (!shape->has_bias == !bias)
        description = cdnn_describe_matmul(a, shape->packs_w ? any : plain, bias, c, attributes);
    static const struct cdnn_buffer buffers[] = {
        {DNNL_ARG_SRC, true}, {DNNL_ARG_WEIGHTS, true}, {DNNL_ARG_BIAS, true}, {DNNL_ARG_DST, false}};
    consilium_dnn_primitive *result = cdnn_assemble(description, buffers, 4);
    if (shape->packs_w) result = cdnn_with_packing(result, DNNL_ARG_WEIGHTS, plain);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    cdnn_desc_free(a);
    cdnn_desc_free(c);
    cdnn_desc_free(plain);
    cdnn_desc_free(any);
    cdnn_desc_free(bias);
    return result;
}

#endif
