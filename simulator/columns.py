"""Tables in machine code: a value that holds a table's matrices, and whose attributes are the columns.

A named tuple of all columns would do, but every function that is handed one would copy each column's address,
shape and strides: compiling took minutes. Here a column is made from its matrix where it is used, which costs
an addition at most. This is numba's low-level interface for extensions; it is imported when something is
compiled, and not before.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from numba.core import cgutils, types
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_builtin, models, register_model
from numba.np.arrayobj import make_array, normalize_indices, populate_array

if TYPE_CHECKING:
    from collections.abc import Mapping


class PlaceType(types.Array):
    """The type of a column or a matrix of a table: an array that no other overlaps, as the compiler knows.

    Args:
        whole: the type of an array like it.
        tag: names it among all others.
        step: distance between neighbouring elements, in elements.
        wraps: whether indices may count from the end, as in Python. The kernel's own never do.
    """

    def __init__(self, whole: types.Array, tag: str, step: int = 1, *, wraps: bool = False) -> None:
        self.tag = tag
        self.step = step
        self.wraps = wraps
        super().__init__(whole.dtype, whole.ndim, whole.layout, name=f"{tag}: {whole} by {step} {wraps}")

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two of them one type."""
        return (*super().key, self.tag, self.step, self.wraps)


class TableType(types.Type):
    """The type of a table.

    Args:
        name: of the table; equal names are equal types.
        matrices: the matrices by name, with their types.
        columns: by name of a column, the matrix and where in it it lies.
        widths: by matrix, how many columns lie side by side in it; one that is not named has a row for each.
        constants: whole numbers that are attributes, too.
        wraps: whether indices may count from the end.
    """

    def __init__(
        self,
        name: str,
        matrices: Mapping[str, Any],
        columns: Mapping[str, tuple[str, int]],
        widths: Mapping[str, int],
        constants: Mapping[str, int],
        *,
        wraps: bool,
    ) -> None:
        super().__init__(name=f"{name}({', '.join(map(str, matrices.values()))})")
        self.matrices = {
            matrix: PlaceType(kind, f"{name}.{matrix}", wraps=wraps) for matrix, kind in matrices.items()
        }
        self.wraps = wraps
        self.table = name
        self.columns = dict(columns)
        self.widths = dict(widths)
        self.constants = dict(constants)

    def column(self, name: str) -> PlaceType:
        """Return the type of a column."""
        place, _ = self.columns[name]
        like = types.Array(self.matrices[place].dtype, 1, "A" if place in self.widths else "C")
        return PlaceType(like, f"{self.table}.{name}", self.widths.get(place, 1), wraps=self.wraps)


def constructor(
    name: str,
    matrices: tuple[str, ...],
    columns: Mapping[str, tuple[str, int]],
    *,
    widths: Mapping[str, int] | None = None,
    constants: Mapping[str, int] | None = None,
    wraps: bool = False,
) -> Any:  # noqa: ANN401 - what numba makes has no types
    """Return a function for compiled code that makes a table from the tuple of its matrices."""

    def make(_context: Any, given: Any) -> Any:  # noqa: ANN401 - numba's
        kind = TableType(
            name, dict(zip(matrices, given, strict=True)), columns, widths or {}, constants or {}, wraps=wraps
        )

        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401 - numba's
            table = cgutils.create_struct_proxy(kind)(context, builder)
            for at, matrix in enumerate(matrices):
                whole = make_array(given[at])(context, builder, value=builder.extract_value(arguments[0], at))
                setattr(table, f"{matrix}_data", whole.data)
                for axis, length in enumerate(cgutils.unpack_tuple(builder, whole.shape)):
                    setattr(table, f"{matrix}_{axis}", length)
            return table._getvalue()  # noqa: SLF001 - numba's name for it

        return kind(given), generate

    return intrinsic(make)


class _TableModel(models.StructModel):
    """A table is, for each of its matrices, where it lies and how long it is each way.

    It is passed by value to functions that are called; whole arrays would be three times as much to copy.
    """

    def __init__(self, manager: Any, kind: TableType) -> None:  # noqa: ANN401 - numba's
        members: list[tuple[str, Any]] = []
        for name, matrix in kind.matrices.items():
            members.append((f"{name}_data", types.CPointer(matrix.dtype)))
            members += [(f"{name}_{axis}", types.intp) for axis in range(matrix.ndim)]
        super().__init__(manager, kind, members)


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
        return _matrix(context, builder, kind.matrices[attribute], table, attribute)
    place, at = kind.columns[attribute]
    whole = kind.matrices[place]
    start = context.get_constant(types.intp, at)
    size = context.get_abi_sizeof(context.get_data_type(whole.dtype))
    step = size
    if place in kind.widths:
        length = getattr(table, f"{place}_0")
        # A constant, so that all columns of one process are at known distances from each other.
        step *= kind.widths[place]
    else:
        length = getattr(table, f"{place}_1")
        start = builder.mul(length, start)
    column = make_array(kind.column(attribute))(context, builder)
    populate_array(
        column,
        data=builder.gep(getattr(table, f"{place}_data"), [start]),
        shape=cgutils.pack_array(builder, [length]),
        strides=cgutils.pack_array(builder, [context.get_constant(types.intp, step)]),
        itemsize=context.get_constant(types.intp, size),
        meminfo=None,
    )
    return column._getvalue()  # noqa: SLF001 - numba's name for it


def _matrix(context: Any, builder: Any, kind: PlaceType, table: Any, name: str) -> Any:  # noqa: ANN401 - numba's
    """Generate the array that a matrix is."""
    size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    shape = [getattr(table, f"{name}_{axis}") for axis in range(kind.ndim)]
    strides = [size]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    matrix = make_array(kind)(context, builder)
    populate_array(
        matrix,
        data=getattr(table, f"{name}_data"),
        shape=cgutils.pack_array(builder, shape),
        strides=cgutils.pack_array(builder, strides),
        itemsize=size,
        meminfo=None,
    )
    return matrix._getvalue()  # noqa: SLF001 - numba's name for it


def _pointer(context: Any, builder: Any, kind: PlaceType, place: Any, index_type: Any, index: Any) -> Any:  # noqa: ANN401 - numba's
    """Generate the address of an element."""
    if isinstance(index_type, types.UniTuple):
        kinds, indices = index_type.types, cgutils.unpack_tuple(builder, index, count=len(index_type))
    else:
        kinds, indices = (index_type,), (index,)
    array = make_array(kind)(context, builder, value=place)
    shape = cgutils.unpack_tuple(builder, array.shape, kind.ndim)
    _, indices = normalize_indices(context, builder, kinds, indices)
    at = context.get_constant(types.intp, 0)
    for one, (index_kind, given) in enumerate(zip(kinds, indices, strict=True)):
        number = context.cast(builder, given, index_kind, types.intp)
        if kind.wraps and index_kind.signed:
            negative = builder.icmp_signed("<", number, number.type(0))
            number = builder.select(negative, builder.add(number, shape[one]), number)
        at = builder.add(builder.mul(at, shape[one]), number) if one else number
    if kind.step > 1:
        at = builder.mul(at, at.type(kind.step))
    return builder.gep(array.data, [at], inbounds=True)


def _mark(builder: Any, kind: PlaceType, instruction: Any) -> None:  # noqa: ANN401 - numba's
    """Tell the compiler which column memory is read from or written to, so that it knows what stays as it is.

    LLVM's type-based alias analysis: places of different types do not overlap.
    """
    module = builder.module
    zero = cgutils.intp_t(0)
    root = module.add_metadata(["timeshare"])
    column = module.add_metadata([kind.tag, root, zero])

    instruction.set_metadata("tbaa", module.add_metadata([column, column, zero]))


def _get_item(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 - numba's
    """Generate the code for an element that is read."""
    kind, index_type = signature.args
    place, index = arguments
    value = builder.load(_pointer(context, builder, kind, place, index_type, index))
    _mark(builder, kind, value)
    return value


def _set_item(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 - numba's
    """Generate the code for an element that is written."""
    kind, index_type, value_type = signature.args
    place, index, value = arguments
    pointer = _pointer(context, builder, kind, place, index_type, index)
    stored = builder.store(context.cast(builder, value, value_type, kind.dtype), pointer)
    _mark(builder, kind, stored)


for _index in (types.Integer, types.UniTuple):
    lower_builtin(operator.getitem, PlaceType, _index)(_get_item)
    lower_builtin(operator.setitem, PlaceType, _index, types.Number)(_set_item)
    lower_builtin(operator.setitem, PlaceType, _index, types.Boolean)(_set_item)
register_model(PlaceType)(models.ArrayModel)
register_model(TableType)(_TableModel)
infer_getattr(_TableAttributes)
lower_getattr_generic(TableType)(_get_attribute)
