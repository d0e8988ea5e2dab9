"""The report on a node, in a real browser."""

import pytest

NODE = """
(comfyClass) => {
  const node = {
    constructor: { comfyClass }, widgets: [], before: 0,
    onExecuted() { this.before += 1; },
    addDOMWidget(name, type, element, options) {
      document.body.append(element);
      const widget = { name, type, element, options };
      this.widgets.push(widget);
      return widget;
    },
  };
  window.extensions[0].nodeCreated(node);
  window.nodes = { 7: node };
  return node.widgets.length;
}
"""


@pytest.fixture
def node(page):
    """A Find Faces node whose extension is loaded."""
    page.evaluate("() => import('/extensions/loupe/report.js')")
    assert page.evaluate(NODE, "LoupeFindFaces") == 1
    return page


def shown(page) -> str:
    return page.inner_text(".portraitloupe-report")


def test_a_node_shows_what_it_reports(node):
    assert "reported here" in shown(node)
    node.evaluate(
        "() => nodes[7].onExecuted({ loupe_report: ['82 px between the eyes', 'score 58'] })"
    )
    assert shown(node) == "82 px between the eyes\nscore 58"


def test_what_the_node_did_before_it_still_does(node):
    node.evaluate("() => nodes[7].onExecuted({ loupe_report: ['x'] })")
    assert node.evaluate("() => nodes[7].before") == 1


def test_a_restored_output_is_shown_without_running(node):
    node.evaluate(
        "() => window.extensions[0].onNodeOutputsUpdated({ 7: { loupe_report: ['again'] }, 8: {} })"
    )
    assert shown(node) == "again"


def test_the_widget_is_neither_in_the_prompt_nor_in_the_workflow(node):
    widget = node.evaluate(
        "() => [nodes[7].widgets[0].serialize, nodes[7].widgets[0].options.serialize]"
    )
    assert widget == [False, False]


def test_markup_is_shown_as_it_is_written(node):
    node.evaluate("() => nodes[7].onExecuted({ loupe_report: ['<b>bold</b>'] })")
    assert shown(node) == "<b>bold</b>"
    assert node.locator(".portraitloupe-report b").count() == 0


def test_other_nodes_are_left_alone(page):
    page.evaluate("() => import('/extensions/loupe/report.js')")
    assert page.evaluate(NODE, "KSampler") == 0
    assert page.evaluate(NODE, "LoupeCrop") == 0
