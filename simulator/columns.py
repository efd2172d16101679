"""Tables in machine code: a value that holds a table's matrices, and whose attributes are the columns.

A named tuple of all columns would do, but every function that is handed one would copy each column's address,
shape and strides: compiling took minutes. Here a column is made from its matrix where it is used, which costs
an addition at most. This is numba's low-level interface for extensions; it is imported when something is
compiled, and not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import cgutils, types
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, models, register_model
from numba.np.arrayobj import make_array, populate_array

if TYPE_CHECKING:
    from collections.abc import Mapping


class TableType(types.Type):
    """The type of a table.

    Args:
        name: of the table; equal names are equal types.
        matrices: the matrices by name, with their types.
        columns: by name of a column, the matrix and where in it it lies.
        widths: by matrix, how many columns lie side by side in it; one that is not named has a row for each.
        constants: whole numbers that are attributes, too.
    """

    def __init__(
        self,
        name: str,
        matrices: Mapping[str, Any],
        columns: Mapping[str, tuple[str, int]],
        widths: Mapping[str, int],
        constants: Mapping[str, int],
    ) -> None:
        super().__init__(name=f"{name}({', '.join(map(str, matrices.values()))})")
        self.matrices = dict(matrices)
        self.columns = dict(columns)
        self.widths = dict(widths)
        self.constants = dict(constants)

    def column(self, name: str) -> types.Array:
        """Return the type of a column."""
        place, _ = self.columns[name]
        return types.Array(self.matrices[place].dtype, 1, "A" if place in self.widths else "C")


def constructor(
    name: str,
    matrices: tuple[str, ...],
    columns: Mapping[str, tuple[str, int]],
    *,
    widths: Mapping[str, int] | None = None,
    constants: Mapping[str, int] | None = None,
) -> Any:  # noqa: ANN401 - what numba makes has no types
    """Return a function for compiled code that makes a table from the tuple of its matrices."""

    def make(_context: Any, given: Any) -> Any:  # noqa: ANN401 - numba's
        kind = TableType(
            name, dict(zip(matrices, given, strict=True)), columns, widths or {}, constants or {}
        )

        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401 - numba's
            table = cgutils.create_struct_proxy(kind)(context, builder)
            for at, matrix in enumerate(matrices):
                setattr(table, matrix, builder.extract_value(arguments[0], at))
            return table._getvalue()  # noqa: SLF001 - numba's name for it

        return kind(given), generate

    return intrinsic(make)


class _TableModel(models.StructModel):
    """A table is its matrices, one after another."""

    def __init__(self, manager: Any, kind: TableType) -> None:  # noqa: ANN401 - numba's
        super().__init__(manager, kind, list(kind.matrices.items()))


class _TableAttributes(AttributeTemplate):
    """What type an attribute of a table has."""

    key = TableType

    def generic_resolve(self, kind: TableType, attribute: str) -> Any:  # noqa: ANN401 - numba's
        if attribute in kind.columns:
            return kind.column(attribute)
        if attribute in kind.constants:
            return types.boolean if isinstance(kind.constants[attribute], bool) else types.int64
        return kind.matrices.get(attribute)


def _get_attribute(context: Any, builder: Any, kind: TableType, value: Any, attribute: str) -> Any:  # noqa: ANN401 - numba's
    """Generate the code for an attribute."""
    if attribute in kind.constants:
        number = kind.constants[attribute]
        return context.get_constant(types.boolean if isinstance(number, bool) else types.int64, number)
    table = cgutils.create_struct_proxy(kind)(context, builder, value=value)
    if attribute in kind.matrices:
        return getattr(table, attribute)
    place, at = kind.columns[attribute]
    matrix = make_array(kind.matrices[place])(context, builder, value=getattr(table, place))
    start = context.get_constant(types.intp, at)
    stride = matrix.itemsize
    if place in kind.widths:
        length = builder.extract_value(matrix.shape, 0)
        # A constant, so that all columns of one process are at known distances from each other.
        stride = context.get_constant(types.intp, 8 * kind.widths[place])
    else:
        length = builder.extract_value(matrix.shape, 1)
        start = builder.mul(length, start)
    column = make_array(kind.column(attribute))(context, builder)
    populate_array(
        column,
        data=builder.gep(matrix.data, [start]),
        shape=cgutils.pack_array(builder, [length]),
        strides=cgutils.pack_array(builder, [stride]),
        itemsize=matrix.itemsize,
        meminfo=None,
    )
    return column._getvalue()  # noqa: SLF001 - numba's name for it


register_model(TableType)(_TableModel)
infer_getattr(_TableAttributes)
lower_getattr_generic(TableType)(_get_attribute)
