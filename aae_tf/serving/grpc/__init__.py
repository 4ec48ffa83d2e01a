"""The gRPC side of the server: PredictionService and ModelService."""

from aae_tf.serving.grpc.grpc_front import GrpcFront

__all__ = ["GrpcFront"]
