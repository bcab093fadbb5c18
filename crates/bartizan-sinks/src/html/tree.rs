//! The tree that the HTML parser builds: nodes in one list, so that no depth of nesting is a depth of calls.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    num::NonZeroU32,
};

use html5ever::{
    Attribute, ExpandedName, LocalName, Namespace, QualName,
    interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink},
    local_name, ns,
    tendril::StrTendril,
};

use super::{OverLimit, policy::Checked, vocabulary::is_gone_with_content};

/// A node's place in the list, counted from one. Small, for there are five in a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(NonZeroU32);

/// The document, which is nobody's child.
const DOCUMENT: Id = Id(NonZeroU32::MIN);

impl Id {
    /// Of the last of so many. The limits keep them far from the end of the numbers.
    fn last_of(nodes: &[Node]) -> Self {
        let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        Self(NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN))
    }

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// What the parser holds of a node. The name is in it, for the parser asks for it at every step.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    id: Id,
    ns: Namespace,
    name: LocalName,
}

/// What a node is.
///
/// No names are kept but those of the policy. Atoms are in one table of the whole program, whose places a writer can
/// aim at: as many in one place as a tree has nodes make a few hundred KB cost seconds.
#[derive(Debug)]
pub(super) enum Data {
    /// What goes with all that is in it. What is written in another grammar is so, for inside it the same characters
    /// are other tags; and a comment, which the parser is never told of.
    Gone,
    /// What goes and leaves what is in it; and the document.
    Bare,
    Text(StrTendril),
    Element {
        name: LocalName,
        attributes: Vec<Attribute>,
    },
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) data: Data,
    parent: Option<Id>,
    first_child: Option<Id>,
    last_child: Option<Id>,
    previous: Option<Id>,
    next: Option<Id>,
    depth: u32,
}

/// The tree, while the parser builds it.
#[derive(Debug)]
pub(super) struct Tree<'p> {
    nodes: RefCell<Vec<Node>>,
    policy: &'p Checked,
    too_deep: Cell<bool>,
}

impl<'p> Tree<'p> {
    /// An empty one, for an input of so many bytes.
    pub(super) fn new(policy: &'p Checked, bytes: usize) -> Self {
        let mut nodes = Vec::with_capacity(16 + bytes / 16);
        nodes.push(Node::new(Data::Bare));
        Self { nodes: RefCell::new(nodes), policy, too_deep: Cell::new(false) }
    }

    /// The element that a fragment is parsed in.
    pub(super) fn context(&self) -> Handle {
        let name = QualName::new(None, ns!(html), local_name!("div"));
        self.create_element(name, Vec::new(), ElementFlags::default())
    }

    /// The limit that was passed, if one was.
    pub(super) fn over(&self) -> Option<OverLimit> {
        let limits = self.policy.limits;
        let nodes = self.nodes.borrow();
        if self.too_deep.get() || depth_of_last(&nodes) > self.most_depth() {
            Some(OverLimit::Depth { most: limits.depth })
        } else {
            (nodes.len() > limits.nodes).then_some(OverLimit::Nodes { most: limits.nodes })
        }
    }

    /// Of a node: there is the root of the fragment above the elements, and a text in the last of them.
    fn most_depth(&self) -> usize {
        self.policy.limits.depth + 2
    }

    /// The finished tree.
    pub(super) fn into_nodes(self) -> Nodes {
        Nodes(self.nodes.into_inner())
    }

    fn push(&self, data: Data, ns: Namespace, name: LocalName) -> Handle {
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node::new(data));
        Handle { id: Id::last_of(&nodes), ns, name }
    }

    fn nameless(id: Id) -> Handle {
        Handle { id, ns: ns!(), name: local_name!("") }
    }

    /// Puts a child before `before`, or last.
    fn insert(&self, parent: Id, before: Option<Id>, child: NodeOrText<Handle>) {
        let mut nodes = self.nodes.borrow_mut();
        let previous = match before {
            Some(before) => nodes.get(before.index()).and_then(|node| node.previous),
            None => nodes.get(parent.index()).and_then(|node| node.last_child),
        };
        let child = match child {
            NodeOrText::AppendNode(handle) => {
                detach(&mut nodes, handle.id);
                handle.id
            }
            NodeOrText::AppendText(text) => {
                if let Some(Node { data: Data::Text(before), .. }) =
                    previous.and_then(|id| nodes.get_mut(id.index()))
                {
                    before.push_tendril(&text);
                    return;
                }
                nodes.push(Node::new(Data::Text(text)));
                Id::last_of(&nodes)
            }
        };
        let depth = nodes.get(parent.index()).map_or(0, |parent| parent.depth) + 1;
        if depth as usize > self.most_depth() {
            self.too_deep.set(true);
        }
        attach(&mut nodes, parent, before, child, depth);
    }
}

impl Node {
    fn new(data: Data) -> Self {
        Self { data, parent: None, first_child: None, last_child: None, previous: None, next: None, depth: 0 }
    }
}

fn attach(nodes: &mut [Node], parent: Id, before: Option<Id>, child: Id, depth: u32) {
    let previous = match before {
        Some(before) => nodes.get_mut(before.index()).and_then(|node| node.previous.replace(child)),
        None => nodes.get_mut(parent.index()).and_then(|node| node.last_child.replace(child)),
    };
    match previous {
        Some(previous) => set(nodes, previous, |node| node.next = Some(child)),
        None => set(nodes, parent, |node| node.first_child = Some(child)),
    }
    set(nodes, child, |node| {
        (node.parent, node.previous, node.next, node.depth) = (Some(parent), previous, before, depth);
    });
}

fn detach(nodes: &mut [Node], id: Id) {
    let Some(node) = nodes.get_mut(id.index()) else { return };
    let (parent, previous, next) = (node.parent.take(), node.previous.take(), node.next.take());
    let Some(parent) = parent else { return };
    match previous {
        Some(previous) => set(nodes, previous, |node| node.next = next),
        None => set(nodes, parent, |node| node.first_child = next),
    }
    match next {
        Some(next) => set(nodes, next, |node| node.previous = previous),
        None => set(nodes, parent, |node| node.last_child = previous),
    }
}

/// How deep the parser is by now. A node knows how deep it was when it was put where it is; where an element around it
/// was moved (HTML §13.2.6.4.7, the adoption agency algorithm), that is less than it is now.
fn depth_of_last(nodes: &[Node]) -> usize {
    std::iter::successors(nodes.last(), |node| nodes.get(node.parent?.index())).count() - 1
}

fn set(nodes: &mut [Node], id: Id, change: impl FnOnce(&mut Node)) {
    if let Some(node) = nodes.get_mut(id.index()) {
        change(node);
    }
}

impl TreeSink for Tree<'_> {
    type Handle = Handle;
    type Output = Self;
    type ElemName<'a>
        = ExpandedName<'a>
    where
        Self: 'a;

    fn finish(self) -> Self {
        self
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Handle {
        Self::nameless(DOCUMENT)
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> ExpandedName<'a> {
        ExpandedName { ns: &target.ns, local: &target.name }
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _: ElementFlags) -> Handle {
        let html = name.ns == ns!(html);
        let data = if html && self.policy.allows(&name.local) {
            Data::Element { name: name.local.clone(), attributes }
        } else if html && !is_gone_with_content(&name.local) {
            Data::Bare
        } else {
            Data::Gone
        };
        self.push(data, name.ns, name.local)
    }

    fn create_comment(&self, _: StrTendril) -> Handle {
        self.push(Data::Gone, ns!(), local_name!(""))
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Handle {
        self.push(Data::Gone, ns!(), local_name!(""))
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        self.insert(parent.id, None, child);
    }

    fn append_before_sibling(&self, sibling: &Handle, child: NodeOrText<Handle>) {
        let parent = self.nodes.borrow().get(sibling.id.index()).and_then(|node| node.parent);
        if let Some(parent) = parent {
            self.insert(parent, Some(sibling.id), child);
        }
    }

    fn append_based_on_parent_node(&self, element: &Handle, previous: &Handle, child: NodeOrText<Handle>) {
        let has_parent =
            self.nodes.borrow().get(element.id.index()).is_some_and(|node| node.parent.is_some());
        if has_parent {
            self.append_before_sibling(element, child);
        } else {
            self.append(previous, child);
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    fn get_template_contents(&self, template: &Handle) -> Handle {
        // It goes with its contents, wherever they are. Here, they are as deep as they are to the parser.
        template.clone()
    }

    fn same_node(&self, x: &Handle, y: &Handle) -> bool {
        x.id == y.id
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn add_attrs_if_missing(&self, _: &Handle, _: Vec<Attribute>) {
        // Of `<html>` and `<body>`, which are never written.
    }

    fn remove_from_parent(&self, target: &Handle) {
        detach(&mut self.nodes.borrow_mut(), target.id);
    }

    fn reparent_children(&self, node: &Handle, new_parent: &Handle) {
        loop {
            let first = self.nodes.borrow().get(node.id.index()).and_then(|node| node.first_child);
            let Some(id) = first else { return };
            self.insert(new_parent.id, None, NodeOrText::AppendNode(Self::nameless(id)));
        }
    }
}

/// A finished tree.
#[derive(Debug)]
pub(super) struct Nodes(Vec<Node>);

impl Nodes {
    /// The root of the fragment, whose children are the fragment.
    pub(super) fn root(&self) -> Id {
        self.first_child(DOCUMENT).unwrap_or(DOCUMENT)
    }

    pub(super) fn data(&self, id: Id) -> Option<&Data> {
        self.0.get(id.index()).map(|node| &node.data)
    }

    pub(super) fn first_child(&self, id: Id) -> Option<Id> {
        self.0.get(id.index())?.first_child
    }

    pub(super) fn next(&self, id: Id) -> Option<Id> {
        self.0.get(id.index())?.next
    }

    pub(super) fn parent(&self, id: Id) -> Option<Id> {
        self.0.get(id.index())?.parent
    }

    /// What all nodes are, in the tree or not.
    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = &Data> {
        self.0.iter().map(|node| &node.data)
    }
}
