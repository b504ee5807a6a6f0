//! The colours of everything that the command shows. Without colour, every style is empty.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

use crate::world::NodeId;

/// Devices first: what is under test is the brightest.
const DEVICES: [AnsiColor; 2] = [AnsiColor::BrightCyan, AnsiColor::Cyan];
const PHONES: [AnsiColor; 2] = [AnsiColor::BrightYellow, AnsiColor::Yellow];
const ROUTERS: [AnsiColor; 2] = [AnsiColor::BrightGreen, AnsiColor::Green];
const CLOUDS: [AnsiColor; 2] = [AnsiColor::BrightMagenta, AnsiColor::Magenta];

/// Whether there is colour, and which.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Palette {
    /// Text alone.
    Plain,
    /// The sixteen colours that every terminal has, as its user has chosen them.
    Colour,
}

impl Palette {
    /// An actor's name.
    pub fn actor(self, actor: NodeId, name: impl Display) -> String {
        let (colours, index) = match actor {
            NodeId::Device(index) => (DEVICES, index),
            NodeId::Phone(index) => (PHONES, index),
            NodeId::Router(index) => (ROUTERS, index),
            NodeId::Cloud(index) => (CLOUDS, index),
            NodeId::Guest(index) => (PHONES, index),
        };
        let [first, second] = colours;
        self.paint(Self::foreground(if index.is_multiple_of(2) { first } else { second }), name)
    }

    /// What is there for who looks for it.
    pub fn quiet(self, text: impl Display) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    /// A heading.
    pub fn strong(self, text: impl Display) -> String {
        self.paint(Style::new().bold(), text)
    }

    /// What is as it should be, or new.
    pub fn good(self, text: impl Display) -> String {
        self.paint(Self::foreground(AnsiColor::Green), text)
    }

    /// What is not, or is gone.
    pub fn bad(self, text: impl Display) -> String {
        self.paint(Self::foreground(AnsiColor::Red), text)
    }

    /// What has failed.
    pub fn alarm(self, text: impl Display) -> String {
        self.paint(Self::foreground(AnsiColor::Red).bold(), text)
    }

    fn foreground(colour: AnsiColor) -> Style {
        Style::new().fg_color(Some(colour.into()))
    }

    fn paint(self, style: Style, text: impl Display) -> String {
        match self {
            Self::Plain => text.to_string(),
            Self::Colour => format!("{style}{text}{style:#}"),
        }
    }
}
