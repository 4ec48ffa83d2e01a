"""A module in XLA's language as a function of JAX."""

from collections.abc import Callable, Sequence

import jax
from jax.extend.core import Primitive
from jax.interpreters import mlir
from jaxlib._jax import mlir as converters
from jaxlib.mlir.dialects import func


def hlo_function(
    name: str, module: bytes, results: Sequence[jax.ShapeDtypeStruct]
) -> Callable[..., list[jax.Array]]:
    """Wraps a serialised HloModuleProto, to be traced, compiled and looped like any function.

    Args:
        name: name of the function; letters, digits and "_".
        module: the module; what it says of aliased parameters is dropped, `jax.jit` donates them.
        results: shape and type of each result.

    Returns:
        Function from the module's parameters to the list of its results.
    """
    stablehlo = converters.hlo_to_stablehlo(module)
    call = Primitive(name)
    call.multiple_results = True
    call.def_abstract_eval(
        lambda *_: [jax.core.ShapedArray(each.shape, each.dtype) for each in results]
    )

    def lower(
        context: mlir.LoweringRuleContext, *arguments: mlir.ir.Value
    ) -> Sequence[mlir.ir.Value]:
        callee = mlir.merge_mlir_modules(
            context.module_context.module,
            name,
            _without_copies(mlir.ir.Module.parse(stablehlo)),
            dst_symtab=context.module_context.symbol_table,
        )
        types = [mlir.aval_to_ir_type(context.module_context, each) for each in context.avals_out]
        return func.CallOp(types, mlir.ir.FlatSymbolRefAttr.get(callee), arguments).results

    mlir.register_lowering(call, lower)
    return call.bind


def _without_copies(module: mlir.ir.Module) -> mlir.ir.Module:
    # XLA copies what a step returns as it was. StableHLO has no such operation, and the compiler
    # for GPUs refuses it.
    copies: list[mlir.ir.Operation] = []

    def note(operation: mlir.ir.Operation) -> mlir.ir.WalkResult:
        if operation.name == "mhlo.copy":
            copies.append(operation)
        return mlir.ir.WalkResult.ADVANCE

    module.operation.walk(note)
    for copy in copies:
        copy.results[0].replace_all_uses_with(copy.operands[0])
        copy.erase()
    return module
