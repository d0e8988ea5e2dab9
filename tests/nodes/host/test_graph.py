import pytest

from portrait_loupe.nodes.host.standin import schema as io
from portrait_loupe.nodes.host.standin.graph import GraphError, NodeError, check, is_link, run


class Number(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="Number",
            display_name="A Number",
            inputs=[
                io.Int.Input("value", default=1, min=0, max=9),
                io.Combo.Input("sign", options=["plus", "minus"], default="plus"),
            ],
            outputs=[io.Int.Output("number")],
        )

    @classmethod
    def execute(cls, value, sign):
        if value == 7:
            raise ValueError("value 7 is unlucky; take 8")
        if value == 8:
            raise KeyError("a bug")
        return io.NodeOutput(value if sign == "plus" else -value)


class Total(io.ComfyNode):
    ran = 0

    @classmethod
    def define_schema(cls):
        number = io.MultiType.Input("number", [io.Int, io.Float])
        return io.Schema(
            node_id="Total",
            inputs=[
                io.Autogrow.Input(
                    "numbers",
                    template=io.Autogrow.TemplatePrefix(number, prefix="number", min=1, max=3),
                ),
                io.Float.Input("start", default=0.0, optional=True),
            ],
            outputs=[io.Float.Output("total")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, numbers, start=100.0):
        cls.ran += 1
        total = start + sum(numbers.values())
        return io.NodeOutput(total, ui={"text": [f"{list(numbers)} {total:g}"]})


NODES = {"Number": Number, "Total": Total}


def number(value, sign="plus"):
    return {"class_type": "Number", "inputs": {"value": value, "sign": sign}}


def total(**inputs):
    return {"class_type": "Total", "inputs": inputs}


def test_nodes_run_in_the_order_that_the_links_need():
    seen = []
    graph = {
        "9": total(**{"numbers.number0": ["2", 0], "numbers.number1": ["1", 0], "start": 0.5}),
        "1": number(4),
        "2": number(3, "minus"),
    }
    results = run(graph, NODES, on_node=lambda node_id, _: seen.append(node_id))
    assert results.outputs["9"] == (1.5,)
    assert seen == ["2", "1", "9"]
    assert results.ui["9"] == {"text": ["['number0', 'number1'] 1.5"]}


def test_a_node_that_no_output_needs_does_not_run():
    graph = {"1": number(7), "2": number(2), "3": total(**{"numbers.number0": ["2", 0]})}
    assert run(graph, NODES).outputs["3"] == (102.0,)


def test_a_missing_optional_input_leaves_the_nodes_own_default():
    graph = {"1": number(1), "2": total(**{"numbers.number0": ["1", 0]})}
    assert run(graph, NODES).outputs["2"] == (101.0,)


def test_an_autogrow_may_skip_a_socket_beyond_its_minimum():
    graph = {
        "1": number(1),
        "2": total(**{"numbers.number0": ["1", 0], "numbers.number2": ["1", 0]}),
    }
    assert run(graph, NODES).ui["2"]["text"] == ["['number0', 'number2'] 102"]


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        ({"1": number(10), "2": total(**{"numbers.number0": ["1", 0]})}, "value must be between 0 and 9, got 10"),
        ({"1": number(-1), "2": total(**{"numbers.number0": ["1", 0]})}, "value must be between 0 and 9, got -1"),
        ({"1": number("x"), "2": total(**{"numbers.number0": ["1", 0]})}, "value must be of type INT, got 'x'"),
        ({"1": number(1, "times"), "2": total(**{"numbers.number0": ["1", 0]})}, "sign must be one of plus, minus; got 'times'"),
        ({"2": total()}, "numbers.number0 is missing"),
        ({"2": total(**{"numbers.number0": 4})}, "takes a link of type INT,FLOAT, got the value 4"),
        ({"2": total(**{"numbers.number0": ["5", 0]})}, "node 5, which the graph does not hold"),
        ({"1": number(1), "2": total(**{"numbers.number0": ["1", 3]})}, "output 3 of node 1, which has 1 outputs"),
        ({"1": {**number(1), "inputs": {"value": ["3", 0], "sign": "plus"}}, "2": total(**{"numbers.number0": ["1", 0]}), "3": total(**{"numbers.number0": ["4", 0]}), "4": number(2)},
         "value takes INT, but is linked to FLOAT"),
        ({"1": number(float("inf")), "2": total(**{"numbers.number0": ["1", 0]})}, "value must be of type INT, got inf"),
        ({"1": number([1, 2, 3]), "2": total(**{"numbers.number0": ["1", 0]})}, "got the list [1, 2, 3]"),
        ({"1": None, "2": total()}, "node 1 has no class_type and inputs"),
        ({"1": {"class_type": "Number"}, "2": total()}, "node 1 has no class_type and inputs"),
        ({"1": number(1)}, "no output node"),
        ({"1": {"class_type": "KSampler", "inputs": {}}}, "this graph needs KSampler: the stand-in host"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_bad_graph_is_refused_before_anything_runs(graph, words):
    before = Total.ran
    with pytest.raises(GraphError) as refused:
        run(graph, NODES)
    assert words in str(refused.value)
    assert Total.ran == before


def test_everything_that_is_wrong_is_said_at_once():
    graph = {"1": number(10, "times"), "2": total(start="x", **{"numbers.number0": ["1", 0]})}
    with pytest.raises(GraphError) as refused:
        check(graph, NODES)
    assert len(refused.value.problems) == 3


def test_links_in_a_circle_are_refused():
    graph = {
        "1": {"class_type": "Total", "inputs": {"numbers.number0": ["2", 0]}},
        "2": {"class_type": "Total", "inputs": {"numbers.number0": ["1", 0]}},
    }
    with pytest.raises(GraphError, match="circle: 1 -> 2 -> 1"):
        run(graph, NODES)


def test_a_node_that_no_output_needs_may_be_broken():
    graph = {"1": number(99), "2": number(2), "3": total(**{"numbers.number0": ["2", 0]})}
    assert list(check(graph, NODES)) == ["2", "3"]


def test_a_circle_that_nothing_needs_does_no_harm():
    graph = {
        "1": {"class_type": "Number", "inputs": {"value": ["1", 0], "sign": "plus"}},
        "2": number(2),
        "3": total(**{"numbers.number0": ["2", 0]}),
    }
    assert run(graph, NODES).outputs["3"] == (102.0,)


def test_checking_alone_finds_a_circle():
    graph = {"1": {"class_type": "Total", "inputs": {"numbers.number0": ["1", 0]}}}
    with pytest.raises(GraphError, match="circle: 1 -> 1"):
        check(graph, NODES)


def test_a_chain_of_two_thousand_nodes_runs():
    graph = {
        str(n): total(start=0.0, **{"numbers.number0": [str(n - 1), 0]}) for n in range(1, 2000)
    }
    graph["0"] = number(3)
    assert run(graph, NODES).outputs["1999"] == (3.0,)


def test_a_wrapped_value_is_unwrapped():
    graph = {"1": number({"__value__": 4}), "2": total(start=0.0, **{"numbers.number0": ["1", 0]})}
    assert run(graph, NODES).outputs["2"] == (4.0,)


def test_what_ran_before_a_failure_is_kept():
    graph = {
        "1": number(2),
        "2": number(7),
        "3": total(**{"numbers.number0": ["1", 0], "numbers.number1": ["2", 0]}),
    }
    with pytest.raises(NodeError) as failed:
        run(graph, NODES)
    assert failed.value.results.outputs == {"1": (2,)}


def test_a_refusing_node_is_named_with_its_own_words():
    graph = {"1": number(7), "2": total(**{"numbers.number0": ["1", 0]})}
    with pytest.raises(NodeError, match=r"node 1 \(A Number\): value 7 is unlucky; take 8"):
        run(graph, NODES)


def test_a_bug_in_a_node_keeps_its_kind_and_its_traceback():
    graph = {"1": number(8), "2": total(**{"numbers.number0": ["1", 0]})}
    with pytest.raises(NodeError, match="KeyError") as failed:
        run(graph, NODES)
    assert isinstance(failed.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("value", "link"),
    [
        (["1", 0], True),
        (("1", 2), True),
        ([1, 0], False),
        (["1", True], False),
        (["1"], False),
        ("1", False),
    ],
)
def test_a_link_is_a_node_and_the_number_of_an_output(value, link):
    assert is_link(value) is link


def test_a_keyword_that_comfyui_does_not_know_fails_here_too():
    with pytest.raises(TypeError):
        io.Int.Input("value", minimum=3)


def knowing(*hidden):
    """A node class that asks for these, and the list of what each call was told."""
    told = []

    class Asks(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            return io.Schema(node_id="Asks", is_output_node=True, hidden=list(hidden))

        @classmethod
        def execute(cls):
            told.append(cls.hidden)
            return io.NodeOutput()

    return Asks, told


def test_a_node_is_told_of_its_graph_what_it_asks_for_and_no_more():
    node, told = knowing(io.Hidden.prompt, io.Hidden.unique_id)
    graph = {name: {"class_type": "Asks", "inputs": {}} for name in ("4", "7")}
    run(graph, {"Asks": node}, extra_pnginfo={"workflow": {"nodes": []}})
    assert [one.unique_id for one in told] == ["4", "7"]
    assert all(one.prompt is graph for one in told)
    assert all(one.extra_pnginfo is None for one in told)
    assert node.hidden is None  # the next run may be another graph's


def test_a_node_that_asks_gets_what_saved_pictures_should_tell():
    node, told = knowing(io.Hidden.extra_pnginfo)
    graph = {"4": {"class_type": "Asks", "inputs": {}}}
    run(graph, {"Asks": node}, extra_pnginfo={"workflow": 1})
    run(graph, {"Asks": node})
    assert [one.extra_pnginfo for one in told] == [{"workflow": 1}, None]
    assert told[0].prompt is None


def test_a_node_that_asks_for_nothing_is_told_nothing():
    node, told = knowing()
    run({"4": {"class_type": "Asks", "inputs": {}}}, {"Asks": node})
    assert told == [None]


class Several(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="Several",
            inputs=[io.Int.Input("last", default=3)],
            outputs=[io.Int.Output("numbers", is_output_list=True), io.Int.Output("count")],
        )

    @classmethod
    def execute(cls, last):
        return io.NodeOutput(list(range(1, last + 1)), last)


class Product(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="Product",
            inputs=[io.Int.Input("a"), io.Int.Input("b", default=10)],
            outputs=[io.Int.Output("product")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, a, b):
        return io.NodeOutput(a * b, ui={"text": [f"{a} x {b}"]})


class Listing(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        number = io.Int.Input("number")
        return io.Schema(
            node_id="Listing",
            inputs=[
                io.Autogrow.Input(
                    "numbers", template=io.Autogrow.TemplatePrefix(number, prefix="number", min=0)
                ),
                io.String.Input("word", default="so"),
            ],
            outputs=[io.String.Output("told")],
            is_input_list=True,
            is_output_node=True,
        )

    @classmethod
    def execute(cls, numbers, word):
        return io.NodeOutput(f"{numbers} {word}")


class Picky(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="Picky",
            inputs=[io.Combo.Input("file", options=["old"]), io.Int.Input("size", min=0, max=9)],
            outputs=[io.String.Output("told")],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, file):
        return True if file in ("old", "new") else f"there is no file {file!r}"

    @classmethod
    def execute(cls, file, size):
        return io.NodeOutput(f"{file} {size}")


LISTS = {"Several": Several, "Product": Product, "Listing": Listing, "Picky": Picky}


def several(last):
    return {"class_type": "Several", "inputs": {"last": last}}


def test_a_node_behind_a_list_runs_once_for_each_value_and_shows_all():
    graph = {"1": several(3), "2": {"class_type": "Product", "inputs": {"a": ["1", 0], "b": 10}}}
    results = run(graph, LISTS)
    assert results.outputs["1"] == ([1, 2, 3], 3)
    assert results.outputs["2"] == ([10, 20, 30],)
    assert results.ui["2"] == {"text": ["1 x 10", "2 x 10", "3 x 10"]}


def test_of_lists_of_several_lengths_the_shorter_repeats_its_last():
    graph = {
        "1": several(3),
        "2": several(2),
        "3": {"class_type": "Product", "inputs": {"a": ["1", 0], "b": ["2", 0]}},
    }
    assert run(graph, LISTS).outputs["3"] == ([1, 4, 6],)


def test_what_follows_a_node_that_ran_several_times_runs_as_often():
    graph = {
        "1": several(2),
        "2": {"class_type": "Product", "inputs": {"a": ["1", 0], "b": 2}},
        "3": {"class_type": "Product", "inputs": {"a": ["2", 0], "b": 2}},
    }
    assert run(graph, LISTS).outputs["3"] == ([4, 8],)


def test_a_node_that_takes_lists_runs_once_and_gets_every_input_as_one():
    inputs = {"numbers.number0": ["1", 0], "numbers.number1": 7, "word": "all"}
    graph = {"1": several(2), "2": {"class_type": "Listing", "inputs": inputs}}
    assert run(graph, LISTS).outputs["2"] == ("{'number0': [1, 2], 'number1': [7]} ['all']",)


def test_a_list_output_of_a_node_that_ran_several_times_is_one_list():
    graph = {
        "1": several(3),
        "2": {"class_type": "Several", "inputs": {"last": ["1", 0]}},
        "3": {"class_type": "Product", "inputs": {"a": ["2", 0], "b": 1}},
    }
    results = run(graph, LISTS)
    assert results.outputs["2"] == ([1, 1, 2, 1, 2, 3], [1, 2, 3])
    assert results.outputs["3"] == ([1, 1, 2, 1, 2, 3],)


@pytest.mark.parametrize(
    ("file", "refusal"), [("old", None), ("new", None), ("worn", "no file 'worn'")]
)
def test_a_node_may_judge_its_own_values_instead_of_the_list(file, refusal):
    graph = {"1": {"class_type": "Picky", "inputs": {"file": file, "size": 3}}}
    if refusal is None:
        assert run(graph, LISTS).outputs["1"] == (f"{file} 3",)
    else:
        with pytest.raises(GraphError, match=refusal):
            run(graph, LISTS)


def test_what_a_node_does_not_judge_is_checked_as_ever():
    graph = {"1": {"class_type": "Picky", "inputs": {"file": "new", "size": 10}}}
    with pytest.raises(GraphError, match="size must be"):
        run(graph, LISTS)


class Waits(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="Waits",
            inputs=[io.Int.Input("number", default=1, lazy=True)],
            outputs=[io.Int.Output()],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, number):
        return io.NodeOutput(number)


def test_a_lazy_input_is_refused_where_it_is_linked_and_taken_where_it_is_not():
    """What is not needed would run here: it may cost money."""
    nodes = {**NODES, "Waits": Waits}
    graph = {"1": {"class_type": "Waits", "inputs": {"number": 3}}}
    assert run(graph, nodes).outputs["1"] == (3,)
    graph["1"]["inputs"]["number"] = ["2", 0]
    graph["2"] = {"class_type": "Listing", "inputs": {}}
    with pytest.raises(GraphError, match="number is lazy, and only ComfyUI leaves out"):
        run({**graph}, {**nodes, "Listing": Listing})
