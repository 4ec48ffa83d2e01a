"""`OPERATIONS`: the operations that an export may use, those of TensorFlow 2.2 and a few newer.

A server runs a graph only if it has every operation in it, and servers are often older than
training environments. So exports are limited to old operations; layers of Keras and distributions
of TensorFlow Probability need few others. Some old ones are left out: those that read or write
files, hold state, run Python, or fail a batch because of one row's value (`Assert`).

The age of each was taken from two releases, of 2020 and 2023: operations of `_SINCE_2_2` are
registered in tensorflow-cpu 2.2.0, those of `_SINCE_2_12` in tensorflow-cpu 2.12.1 and not in
2.2.0. TensorFlow Serving has the operations of the TensorFlow release of the same number.
"""

_SINCE_2_2 = {
    "graphs, functions and constants": """
        Const Fill Identity IdentityN NoOp OnesLike PartitionedCall Placeholder
        PlaceholderWithDefault PreventGradient Range Shape ShapeN Size Rank
        StatefulPartitionedCall StopGradient ZerosLike LinSpace""",
    "variables, and the functions that save and restore them": """
        AssignVariableOp MergeV2Checkpoints ReadVariableOp ResourceGather RestoreV2 SaveV2 Select
        ShardedFilename StaticRegexFullMatch StringJoin VarHandleOp""",
    "shapes and indices": """
        BatchToSpaceND BroadcastArgs BroadcastTo ConcatV2 Cumprod Cumsum DepthToSpace ExpandDims
        GatherNd GatherV2 InvertPermutation MirrorPad OneHot Pack Pad PadV2 Reshape ReverseV2 Roll
        ScatterNd Slice SpaceToBatchND SpaceToDepth Split SplitV Squeeze StridedSlice
        TensorScatterUpdate Tile TopKV2 Transpose Unpack Where""",
    "numbers and bits": """
        Abs Acos Acosh Add AddN AddV2 Asin Asinh Atan Atan2 Atanh BesselI0e BesselI1e Betainc
        Bitcast BitwiseAnd BitwiseOr BitwiseXor Cast Ceil ClipByValue Cos Cosh Digamma Div
        DivNoNan Erf Erfc Erfinv Exp Expm1 Floor FloorDiv FloorMod Igamma Igammac Invert IsFinite
        IsInf IsNan LeftShift Lgamma Log Log1p Maximum Minimum Mod Mul MulNoNan Ndtri Neg Polygamma
        Pow RealDiv Reciprocal RightShift Rint Round Rsqrt SelectV2 Sign Sin Sinh Sqrt Square
        SquaredDifference Sub Tan Xdivy Xlog1py Xlogy Zeta""",
    "text, dates, and the vocabularies of tables": """
        AsString DecodePaddedRaw LowerBound StringToHashBucketFast""",
    "comparisons": """
        ApproximateEqual Equal Greater GreaterEqual Less LessEqual LogicalAnd LogicalNot LogicalOr
        LowerBound NotEqual UpperBound""",
    "reductions": """
        All Any ArgMax ArgMin Max Mean Min Prod Sum SegmentSum UnsortedSegmentSum""",
    "matrices": """
        BatchMatMulV2 Cholesky Einsum L2Loss LogMatrixDeterminant MatMul MatrixBandPart
        MatrixDeterminant MatrixDiagPartV3 MatrixDiagV3 MatrixInverse MatrixSetDiagV3 MatrixSolve
        MatrixTriangularSolve Qr SelfAdjointEigV2 Svd""",
    "layers": """
        AvgPool AvgPool3D BiasAdd Conv2D Conv2DBackpropInput Conv3D Conv3DBackpropInputV2
        DepthwiseConv2dNative Dilation2D Elu FusedBatchNormV3 LRN LeakyRelu LogSoftmax MaxPool
        MaxPool3D Relu Relu6 ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor Selu
        Sigmoid Softmax SoftmaxCrossEntropyWithLogits Softplus Softsign
        SparseSoftmaxCrossEntropyWithLogits Tanh""",
    "gradients in densities and samplers": """
        BroadcastGradientArgs EluGrad InvGrad RandomGammaGrad ReciprocalGrad ReluGrad RsqrtGrad
        SeluGrad SigmoidGrad SoftplusGrad SoftsignGrad SqrtGrad TanhGrad""",
    "branches and loops": """
        Case EmptyTensorList If StatelessIf StatelessWhile TensorListElementShape
        TensorListFromTensor TensorListGetItem TensorListLength TensorListPushBack
        TensorListReserve TensorListSetItem TensorListStack While""",
    "random numbers that are a function of a seed": """
        StatelessMultinomial StatelessRandomNormal StatelessRandomUniform
        StatelessRandomUniformFullInt StatelessRandomUniformInt StatelessTruncatedNormal""",
}
_SINCE_2_12 = {
    # In the function that saves the variables of every SavedModel of TensorFlow 2.21.
    "saving": "DisableCopyOnRead",
    "branches and loops": "StatelessCase",
    # For the samplers of TensorFlow Probability; this package's priors do not use them.
    "random numbers that are a function of a seed": """
        StatelessParameterizedTruncatedNormal StatelessRandomGammaV3 StatelessRandomGetAlg
        StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg StatelessRandomNormalV2
        StatelessRandomUniformFullIntV2 StatelessRandomUniformIntV2 StatelessRandomUniformV2
        StatelessTruncatedNormalV2""",
}

OPERATIONS: frozenset[str] = frozenset(
    operation
    for since in (_SINCE_2_2, _SINCE_2_12)
    for operations in since.values()
    for operation in operations.split()
)
